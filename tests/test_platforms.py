"""The engineer's laptop is usually Windows: what only POSIX has must not be needed to start.

This runs on any system, with the POSIX-only modules made impossible to import. Each test is a process
of its own, since a module once loaded stays.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# psutil has a module of its own for each system; the one for this system is loaded beforehand.
WITHOUT_POSIX = """
import sys

import psutil

BLOCKED = {
    "crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "posix_ipc", "pty", "pwd", "readline",
    "resource", "spwd", "syslog", "termios", "tty",
}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in BLOCKED:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Blocker())
"""

IMPORT_ALL = """
import importlib
import json
import pkgutil

def names(package):
    yield package
    found = importlib.import_module(package)
    yield from (m.name for m in pkgutil.walk_packages(found.__path__, package + "."))

failed, count = {}, 0
for package in ("checkup", "probes", "report_templates"):
    for name in names(package):
        if name.endswith("__main__") or ".migrations." in name:  # run, not imported
            continue
        count += 1
        try:
            importlib.import_module(name)
        except BaseException as error:
            failed[name] = f"{type(error).__name__}: {error}"
print(json.dumps({"count": count, "failed": failed}))
"""


def python(code: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_can_be_imported_without_the_modules_that_only_posix_has() -> None:
    told = json.loads(python(WITHOUT_POSIX + IMPORT_ALL))
    assert told["failed"] == {}
    assert told["count"] > 100


def test_time_zones_need_no_zone_files_of_the_system() -> None:
    code = """
from datetime import datetime
from zoneinfo import TZPATH, ZoneInfo
assert not TZPATH
print(datetime(2026, 7, 1, tzinfo=ZoneInfo("America/Denver")).utcoffset().total_seconds())
"""
    assert float(python(code, PYTHONTZPATH="")) == -6 * 3600


def test_a_site_file_is_loaded_without_zone_files_and_without_posix_modules(tmp_path: Path) -> None:
    site_file = tmp_path / "site.yaml"
    site_file.write_text(
        """
version: 1
site: {id: cedar-ridge, name: Cedar Ridge, timezone: America/Denver, country: US}
contract: {package: premium, installed: 2026-01-15}
hosts: [{id: station, connect: local}]
""",
        encoding="utf-8",
    )
    code = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from checkup.workflow.prepare import prepare
print(prepare(Path(sys.argv[1]), datetime(2026, 6, 1, tzinfo=UTC)).zone)
"""
    assert python(WITHOUT_POSIX + code, str(site_file), PYTHONTZPATH="").strip() == "America/Denver"


@pytest.fixture
def without_pango(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH in which WeasyPrint fails as it does on a computer without Pango."""
    package = tmp_path / "no-pango" / "weasyprint"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        """raise OSError("cannot load library 'libpango-1.0-0': error 0x7e")\n""", encoding="utf-8"
    )
    return package.parent


RUN = """
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from checkup.workflow.check_up import Wish, check_up

folder, site_file = Path(sys.argv[1]), Path(sys.argv[2])
done = check_up(
    Wish(site_file=site_file, only=("host.memory",), store=f"sqlite:///{folder / 'store.db'}", output=folder),
    progress=lambda endpoints: nullcontext(lambda event: None),
    say=lambda text: print(text, file=sys.stderr),
)
print(json.dumps({
    "files": sorted(path.suffix for path in folder.iterdir() if path.suffix in {".html", ".json", ".pdf"}),
    "problem": done.written.problem, "status": done.status,
}))
"""


def test_without_pango_all_but_the_pdf_is_written_and_the_remedy_is_named(
    tmp_path: Path, without_pango: Path
) -> None:
    site_file = tmp_path / "site.yaml"
    site_file.write_text(
        """
version: 1
site: {id: cedar-ridge, name: Cedar Ridge, timezone: America/Denver, country: US}
contract: {package: premium, installed: 2026-01-15}
hosts: [{id: station, connect: local}]
""",
        encoding="utf-8",
    )
    output = tmp_path / "out"
    output.mkdir()
    told = json.loads(python(RUN, str(output), str(site_file), PYTHONPATH=str(without_pango)))
    assert told["files"] == [".html", ".json"]
    assert "Pango" in told["problem"]
    assert "Install" in told["problem"]


def test_a_memory_limit_that_the_system_cannot_set_is_left_out() -> None:
    code = """
from checkup.report import pdf_worker
pdf_worker._limit_memory(1024**3)
print("limited by time only")
"""
    assert python(WITHOUT_POSIX + code).strip() == "limited by time only"
