"""What checkup needs of the machine it runs on."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from checkup.workflow.examination import Examination


def examinations(store: str | None) -> Iterator[Examination]:
    yield Examination(
        f"Python {sys.version.split()[0]}", sys.version_info >= (3, 11), "install Python 3.11 or newer"
    )
    yield _pango()
    yield _shell()
    yield _time_zones()
    yield _keyring()
    yield _agent()
    yield from _odbc()
    yield _own_probes()
    yield _store(store)


def _pango() -> Examination:
    from datetime import UTC, datetime

    from checkup.report.pdf import ReportError, render_pdf

    name = "Pango, for the PDF (without it the report is HTML)"
    try:
        render_pdf("<title>-</title><p>-</p>", created=datetime(2000, 1, 1, tzinfo=UTC), attachment=b"{}")
    except ReportError as error:
        return Examination(name, False, str(error))
    return Examination(name, True, "")


def _shell() -> Examination:
    return Examination(
        "a POSIX shell, for `connect: local`",
        shutil.which("sh") is not None,
        "only psutil's sections can be collected from this machine; use WSL2 for the others",
    )


def _time_zones() -> Examination:
    found = Path("/usr/share/zoneinfo").is_dir() or importlib.util.find_spec("tzdata") is not None
    return Examination("time zones", found, "pip install tzdata")


def _keyring() -> Examination:
    from checkup.secrets import keyring_problem

    problem = keyring_problem()
    return Examination("a keyring, for `keyring:` secrets", not problem, problem, optional=True)


def _agent() -> Examination:
    found = os.name == "nt" or bool(os.environ.get("SSH_AUTH_SOCK"))
    advice = "start one (`eval $(ssh-agent)`), or use key files"
    return Examination("an SSH agent, for `agent: true`", found, advice, optional=True)


def _odbc() -> Iterator[Examination]:
    from checkup.workflow.doctor_odbc import odbc

    return odbc()


def _own_probes() -> Examination:
    """Another distribution may install a top-level package `probes` over ours."""
    spec = importlib.util.find_spec("probes")
    ours = Path(__file__).resolve().parents[2] / "probes"
    found = spec is not None and spec.origin is not None and Path(spec.origin).resolve().parent == ours
    return Examination(
        "the built-in probes", found, "another package named `probes` is in the way: use a fresh venv"
    )


def _store(url: str | None) -> Examination:
    from checkup.store import StoreError
    from checkup.workflow.prepare import store_at

    try:
        with store_at(url) as opened:
            opened.runs()
    except StoreError as error:
        return Examination("the store", False, str(error))
    return Examination("the store", True, "")
