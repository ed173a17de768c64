"""`checkup schedule install`: timers for a site, with everything in them made absolute."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from datetime import time
from pathlib import Path

from checkup.contract.schedule import (
    Nightly,
    cron_line,
    local_time,
    schtasks_text,
    systemd_steps,
    systemd_units,
    unit_folder,
    write_units,
)
from checkup.workflow.prepare import prepare, utc_now


@dataclass(frozen=True)
class Timers:
    nightly: Nightly
    texts: tuple[tuple[str, str], ...]

    @property
    def steps(self) -> tuple[str, ...]:
        return systemd_steps(self.nightly)

    def write(self) -> tuple[Path, ...]:
        return write_units(unit_folder(os.environ, Path.home()), self.nightly)


def timers(
    site_file: Path, at: time, store: str | None, *, output: Path | None = None, log: Path | None = None
) -> Timers:
    """The texts to show. Raises ScheduleError where one would not work as written."""
    from checkup.store import default_url

    now = utc_now()
    prepared = prepare(site_file, now)
    nightly = Nightly(
        site=prepared.site.site.id,
        timezone=prepared.site.site.timezone,
        checkup=_own_command(),
        site_file=site_file.resolve(),
        store=_absolute(store or default_url()),
        output=(output or Path("reports")).resolve(),
        at=at,
    )
    here = local_time(nightly, now, now.astimezone().tzinfo or prepared.zone)
    if log is not None:
        # The shell opens the log before anything runs: without its folder the run would never start.
        log.resolve().parent.mkdir(parents=True, exist_ok=True)
    if os.name == "nt":
        return Timers(nightly, (("Windows task", schtasks_text(nightly, here)),))
    units = systemd_units(nightly)
    return Timers(
        nightly,
        (
            ("systemd service", units.service.rstrip()),
            ("systemd timer", units.timer.rstrip()),
            ("cron line", cron_line(nightly, here, log.resolve() if log else None).rstrip()),
        ),
    )


def _own_command() -> Path:
    """The `checkup` that runs now, wherever it was found."""
    beside = Path(sys.executable).with_name("checkup.exe" if os.name == "nt" else "checkup")
    found = beside if beside.exists() else Path(shutil.which("checkup") or sys.argv[0])
    return found.absolute()


def _absolute(url: str) -> str:
    """A SQLite URL with an absolute path; a timer has no current folder."""
    prefix = "sqlite:///"
    if url.startswith(prefix):
        return prefix + str(Path(url.removeprefix(prefix)).absolute())
    return url if "://" in url else prefix + str(Path(url).absolute())
