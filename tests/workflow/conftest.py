"""A clinic to examine: its site file, machines that answer as told, and the real command line."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.servers

from checkup import catalogue
from checkup.api import Visit
from checkup.assessment import Assessment, from_json
from checkup.batch.frames import Frame, FrameReader, encode_frame, encode_stream
from checkup.batch.posix import token_of
from checkup.cli import main
from checkup.collect import machine_endpoint
from checkup.planning import make_plan
from checkup.report import pdf
from checkup.site import load_text
from checkup.store import open_store
from checkup.store.store import Store
from checkup.transports import Deadlines, jump, local, ssh
from tests.servers.fake_ssh import FakeSsh
from tests.servers.sshd import Sshd

SITE = "harbour"
PASSWORD = "Tr0ub4dor&3-correct-horse"  # must never be seen anywhere
IDENTITY = "machine-id:" + "a" * 32

PAPER = b"%PDF-0 (on paper)\n"

SOON = Deadlines(connect_s=2, banner_s=1, handshake_s=5, auth_s=5, channel_s=5, batch_s=30, retry_pause_s=0.1)


# --- the command line ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def assessment(self) -> Assessment:
        """What `--json` printed."""
        return from_json(self.out.encode())

    @property
    def finished(self) -> dict[str, str]:
        """What was reported of each machine, in the order they finished."""
        return finished(self.err)


def finished(err: str) -> dict[str, str]:
    return dict(re.findall(r"^\[\d+/\d+\] ([\w-]+): (.*)$", err, re.MULTILINE))


def checkup(*arguments: object) -> Ended:
    """The command in this process, so that a test can speed its deadlines up."""
    out, err = io.StringIO(), io.StringIO()
    status = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["checkup", *map(str, arguments)])
        try:
            main()
        except SystemExit as ended:
            status = int(ended.code or 0)
    return Ended(status, out.getvalue(), err.getvalue())


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "checkup.cli", *map(str, arguments)]


def run_command(
    *arguments: object, folder: Path, stdin: str = "", prefix: Sequence[str] = (), **more: str
) -> Ended:
    """The command in a process of its own."""
    done = subprocess.run(
        [*prefix, *command(*arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(folder, **more),
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A person's, with nothing of this machine's own accounts, agents and stores."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "CHECKUP_STORE": str(folder / "store.db"),
        "CLINIC_PASSWORD": PASSWORD,
        "LANG": "C.UTF-8",
        **more,
    }


@dataclass
class Running:
    """A command that goes on while the test watches it."""

    process: subprocess.Popen[str]
    err: str = ""

    def read_until(self, text: str) -> None:
        """Follow standard error up to a line that holds `text`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.err += line
            if text in line:
                return
        raise AssertionError(f"it ended without saying {text!r}: {self.err}")

    def send(self, number: signal.Signals) -> Ended:
        self.process.send_signal(number)
        out, rest = self.process.communicate(timeout=60)
        return Ended(self.process.returncode, out, self.err + rest)


def start_command(*arguments: object, folder: Path, **more: str) -> Running:
    return Running(
        subprocess.Popen(
            command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment(folder, **more),
            # Where the tests run in the background of a shell, Ctrl-C would be ignored by what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    )


# --- a clinic -----------------------------------------------------------------------------------


@dataclass
class Clinic:
    """A site file with its folder. A function with a workaround keeps every finding below P1."""

    folder: Path
    hosts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    credentials: dict[str, Any] = field(default_factory=dict[str, Any])
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    def add(self, name: str, connect: Mapping[str, Any], **more: Any) -> None:
        self.hosts.append({"id": name, "connect": dict(connect), **more})

    def add_local(self, name: str = "here") -> None:
        self.add(name, {"transport": "local"})

    def add_bundle(self, name: str, content: bytes | None = None, **more: Any) -> None:
        (self.folder / f"{name}.txt").write_bytes(answer_of(name) if content is None else content)
        self.add(name, {"transport": "bundle", "file": f"{name}.txt"}, **more)

    def add_ssh(self, name: str, server: Sshd | FakeSsh, **connect: Any) -> None:
        """A machine behind a test server, its host key pinned unless `connect` says else."""
        if isinstance(server, Sshd):
            self.credentials["linux"] = {"user": server.user, "key": str(server.key)}
            given = {"host": server.address, "host_key": server.host_key, "credential": "linux"}
        else:
            self.credentials["admin"] = {"user": "admin", "password": "env:CLINIC_PASSWORD"}
            given = {"host": "127.0.0.1", "host_key": server.host_key.fingerprint, "credential": "admin"}
        self.add(name, {"transport": "ssh", "port": server.port, **given, **connect})

    @property
    def site_file(self) -> Path:
        """The site file, written as the clinic is now (JSON is YAML)."""
        path = self.folder / "site.yaml"
        functions = {"registration": {"needs": [self.hosts[0]["id"]], "workaround": "on paper"}}
        site = {
            "version": 1,
            "site": {"id": SITE, "name": "Harbour Clinic", "timezone": "America/Denver", "country": "US"},
            "contract": {"package": "premium", "installed": "400 days ago"},
            "functions": functions,
            "credentials": self.credentials,
            "hosts": self.hosts,
            **self.more,
        }
        path.write_text(json.dumps(site, indent=1), encoding="utf-8")
        return path

    @property
    def store_file(self) -> Path:
        return self.folder / "store.db"

    @property
    def report(self) -> Path:
        """The one report that was written, without its suffix."""
        (found,) = (self.folder / "reports").glob("*.json")
        return found.with_suffix("")

    def store(self) -> Store:
        return open_store(str(self.store_file), redact=str)

    def run(self, *arguments: object) -> Ended:
        """`checkup run` in this process, with `--json`."""
        return checkup("run", self.site_file, "--visit", "six-month", "--json", *arguments)

    def texts(self, ended: Ended) -> dict[str, str]:
        """Everything a run left anywhere that could show a secret."""
        texts = {"stdout": ended.out, "stderr": ended.err, "store": stored_text(self.store_file)}
        texts |= {path.name: read_report(path) for path in (self.folder / "reports").glob("*")}
        return texts


def assert_clean(texts: Mapping[str, str]) -> None:
    """No secret and no traceback."""
    for where, text in texts.items():
        assert PASSWORD not in text, where
        assert "Traceback" not in text, where


def stored_text(path: Path) -> str:
    """All that is in a store: its files' own bytes, and what is compressed in them."""
    texts = [file.read_bytes() for file in path.parent.glob(f"{path.name}*")]
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        values = (v for (t,) in tables for row in connection.execute(f"SELECT * FROM {t}") for v in row)
        for value in values:
            if isinstance(value, bytes):
                with suppress(zlib.error):
                    texts.append(zlib.decompress(value[1:]))
    return "\n".join(text.decode("utf-8", "replace") for text in texts)


def read_report(path: Path) -> str:
    if path.suffix == ".pdf" and not path.read_bytes().startswith(PAPER):
        return pdf_text(path)
    return path.read_text(encoding="utf-8")


def pdf_text(path: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (Debian: apt-get install poppler-utils)")
    shown = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True)
    return shown.stdout.decode("utf-8")


def assert_adds_up(assessment: Assessment) -> None:
    totals = assessment.totals
    outcomes = totals.passed + totals.findings + totals.not_applicable + totals.not_checked
    assert totals.planned == outcomes == len(assessment.checks)


def outcomes(assessment: Assessment, target: str) -> dict[str, str]:
    """The outcome of each check of a target, by probe."""
    return {check.probe: str(check.outcome) for check in assessment.checks if check.target == target}


def errors(assessment: Assessment, target: str) -> set[str]:
    """The error classes of what was not checked on a target."""
    return {str(r.error) for r in assessment.not_checked if r.target == target}


# --- machines that answer -----------------------------------------------------------------------


@cache
def own_frames() -> tuple[Frame, ...]:
    """What this machine answers to a whole batch."""
    text = dedent(f"""
        version: 1
        site: {{id: {SITE}, name: H, timezone: America/Denver, country: US}}
        contract: {{package: premium, installed: 2020-01-01}}
        hosts: [{{id: any, connect: {{transport: bundle, file: none}}}}]
    """)
    now = datetime.now(UTC)
    site = load_text(text, path=Path("site.yaml"), today=now.date()).site
    plan = make_plan(site, catalogue.load(), Visit.SIX_MONTH, now=now, since={"any": now})
    done = subprocess.run(["sh"], input=plan.endpoints[0].script, capture_output=True, check=True)
    return tuple(frame for frame in FrameReader(None).feed(done.stdout) if frame.kind == "SECTION")


def hello_of(name: str, **more: str) -> dict[str, str]:
    now = str(datetime.now(UTC).timestamp())
    return {"site": SITE, "endpoint": name, "identity": IDENTITY, "utc": now, **more}


def frames_of(name: str) -> list[Frame]:
    return [replace(frame, target=name) for frame in own_frames()]


def answer_of(name: str, frames: Iterable[Frame] | None = None, **hello: str) -> bytes:
    """A bundle's file."""
    return encode_stream(hello_of(name, **hello), frames_of(name) if frames is None else frames)


def answer_to(script: bytes, name: str, *, sections: int | None = None, **hello: str) -> bytes:
    """What a machine says to this very batch; with `sections`, it stops after so many of them."""
    lines = "".join(f"{key}={value}\n" for key, value in hello_of(name, **hello).items())
    frames = [Frame(kind="HELLO", payload=lines.encode()), *frames_of(name)[:sections]]
    if sections is None:
        frames.append(Frame(kind="END", payload=b"frames=%d\n" % len(frames)))
    return b"".join(encode_frame(frame, token_of(script)) for frame in frames)


# --- probes of one's own ------------------------------------------------------------------------

OWN_PROBE = """
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import JSON, Context, Finding, Impact, NoLevels, Passed, Probe, Result, Section, Shell, When


@dataclass(frozen=True, slots=True)
class Lamp:
    colour: str


def parse(raw: JSON, source: str, version: int) -> Lamp:
    return Lamp(str(raw).strip())


def check(facts: Lamp, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.colour == "green":
        yield Passed()
    else:
        yield Finding(impact=Impact.{impact}, when=When.NOW, message="dark")


lamp = Section(name="{section}", facts=Lamp, collect={{"posix": Shell({script!r}, {timeout_s})}}, parse=parse)
probe = Probe(
    id="{id}", title="The lamp is green", check=check, levels=NoLevels(),
    messages={{"dark": "The lamp is not green."}},
    why="A dark lamp lights nobody.", remedy="Change the lamp.", verify="Look at the lamp.",
)
"""


def own_probe(
    script: str,
    *,
    id: str = "own.lamp",
    section: str = "lamp",
    timeout_s: int = 5,
    impact: str = "LIMITED",
) -> str:
    """The source of a probe whose machine is fine when `script` prints "green"."""
    return OWN_PROBE.format(id=id, section=section, script=script, timeout_s=timeout_s, impact=impact)


def install_probe(folder: Path, source: str) -> Path:
    """A distribution with one probe, found by its entry point; returns what belongs on the path."""
    root = folder / "installed"
    # Modules stay loaded in a process: a package of the same name would be the first one's.
    package = "own_probes" + re.sub(r"\W", "_", str(folder))
    for name, text in {
        f"{package}/__init__.py": "",
        f"{package}/lamp.py": source,
        f"{package}-1.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n",
        f"{package}-1.dist-info/entry_points.txt": f"[checkup.probes]\nown = {package}\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


# --- fixtures -----------------------------------------------------------------------------------


@pytest.fixture
def clinic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """An empty clinic in a folder of its own, which is also the home and the current folder."""
    for name in ("SSH_AUTH_SOCK", "XDG_DATA_HOME", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return Clinic(tmp_path)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines for servers on loopback."""
    for module in (ssh, jump, local):
        monkeypatch.setattr(module, "Deadlines", lambda: SOON)
    monkeypatch.setattr(machine_endpoint, "GRACE_S", 0.3)
    monkeypatch.setattr(machine_endpoint, "HELLO_S", 3)


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The PDF's HTML stands in for the PDF, which takes seconds; the main job makes the real one."""

    def printed(html: str, **more: Any) -> bytes:
        return PAPER + html.encode()

    monkeypatch.setattr(pdf, "render_pdf", printed)
