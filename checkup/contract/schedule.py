"""The texts that make a machine look, once a day, whether a check-up is due: systemd, cron, Windows.

The timer decides nothing. It runs `checkup run SITE --due` at a quiet hour, which does nothing on a
day on which no visit is due. Nothing here is looked up: paths, zone and hour are handed in.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, tzinfo
from pathlib import Path, PurePath
from typing import NamedTuple
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

# schtasks cuts or refuses a command line beyond this.
SCHTASKS_LIMIT = 261

# A run has deadlines of its own; this ends one that hangs all the same before the next night.
LONGEST_RUN_HOURS = 8

_SECRET_OPTIONS = {"password", "passwd", "pwd", "sslpassword"}


class ScheduleError(ValueError):
    """A timer that would not work as written; the text says why and what to do. Holds no secret."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nightly:
    """One site's daily look. Paths are absolute; `at` is a time of day in the site's own `timezone`.

    `store` is an absolute database URL without a password; `output` is the folder for reports (by
    default one named "reports" in the folder where the machine's timer starts programs).
    `clinic_hours` are the site's hours of work, in which no probe may start: from the first up to,
    not including, the second.
    """

    site: str
    timezone: str
    checkup: PurePath
    site_file: PurePath
    store: str
    output: PurePath | None = None
    at: time = time(21, 0)
    clinic_hours: tuple[time, time] = (time(7, 0), time(19, 0))

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", self.site):
            raise ScheduleError("site.id: only a-z, 0-9 and - can name a timer")
        paths = {"checkup": self.checkup, "the site file": self.site_file, "the reports": self.output}
        for what, path in paths.items():
            if path is not None:
                _refuse_relative(f"the path of {what}", path)
        _refuse_unusable("the store URL", self.store)
        _refuse_store(self.store)
        try:
            ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError):
            raise ScheduleError("site.timezone: not a zone name; use one such as America/Denver") from None
        opens, closes = self.clinic_hours
        if opens <= self.at < closes:
            raise ScheduleError(
                f"{self.at:%H:%M} is within the clinic's hours, {opens:%H:%M} to {closes:%H:%M}: "
                "choose a quiet hour"
            )

    @property
    def command(self) -> tuple[str, ...]:
        """The command and its arguments, unquoted."""
        run = (str(self.checkup), "run", str(self.site_file), "--due", "--no-progress", "--store", self.store)
        return run if self.output is None else (*run, "--output", str(self.output))


def local_time(nightly: Nightly, now: datetime, here: tzinfo) -> time:
    """The site's hour on the clock of a machine in the zone `here`, as the two stand at `now`.

    cron and Windows follow the machine's clock: where the two zones change their clocks on different
    days, the run moves by an hour in between. Only the systemd timer follows the site's clock.
    """
    there = ZoneInfo(nightly.timezone)
    today = now.astimezone(there).date()
    return datetime.combine(today, nightly.at, there).astimezone(here).time().replace(second=0, microsecond=0)


class Units(NamedTuple):
    """The two files of a systemd user timer."""

    service: str
    timer: str


def systemd_units(nightly: Nightly) -> Units:
    """A service and the timer that starts it at the site's hour, or at the next start of the machine
    when it was off then."""
    title = f"check-ups of {nightly.site} that are due"
    if re.search(r"""["'$\\]""", str(nightly.checkup)):
        raise ScheduleError(
            "the path of checkup holds a quote, $ or \\, which systemd refuses: install it elsewhere"
        )
    service = f"""\
[Unit]
Description=Run {title}

[Service]
Type=oneshot
ExecStart={" ".join(map(_systemd_quoted, nightly.command))}
TimeoutStartSec={LONGEST_RUN_HOURS}h
"""
    timer = f"""\
[Unit]
Description=Look daily for {title}

[Timer]
OnCalendar=*-*-* {nightly.at:%H:%M}:00 {nightly.timezone}
Persistent=true

[Install]
WantedBy=timers.target
"""
    return Units(service, timer)


def systemd_steps(nightly: Nightly) -> tuple[str, ...]:
    """The commands that switch the timer on once its files are written."""
    return (
        "systemctl --user daemon-reload",
        f"systemctl --user enable --now {_unit_name(nightly)}.timer",
        "loginctl enable-linger",  # or the timer sleeps whenever nobody is logged in
    )


def unit_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Where systemd reads a user's own units."""
    config = Path(environ.get("XDG_CONFIG_HOME", ""))
    return (config if config.is_absolute() else home / ".config") / "systemd" / "user"


def write_units(folder: Path, nightly: Nightly) -> tuple[Path, Path]:
    """Write service and timer into `folder`, in place of older ones; returns their paths."""
    units = systemd_units(nightly)
    folder.mkdir(parents=True, exist_ok=True)
    service, timer = (folder / f"{_unit_name(nightly)}.{kind}" for kind in ("service", "timer"))
    # The timer comes last: it is never there without what it starts.
    for path, text in ((service, units.service), (timer, units.timer)):
        part = path.with_name(path.name + ".part")
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    return service, timer


def cron_line(nightly: Nightly, at: time, log: PurePath | None = None) -> str:
    """A crontab line for a machine on whose clock it is `at` (see `local_time`).

    It needs no variable, no terminal and no current folder. Output is added to `log`, whose folder
    must exist; without one, cron mails it.
    """
    words = [_cron_quoted(word) for word in nightly.command]
    if log is not None:
        _refuse_relative("the path of the log", log)
        words += [">>", _cron_quoted(str(log)), "2>&1"]
    return f"{at.minute} {at.hour} * * * {' '.join(words)} </dev/null"


def schtasks_text(nightly: Nightly, at: time) -> str:
    """A command for the Windows Command Prompt that makes a daily task (`at`: see `local_time`)."""
    if any(re.search(r'["%&|<>^]', word) for word in nightly.command):
        raise ScheduleError(
            'a path or the store URL holds one of " % & | < > ^, which mean something to the Command Prompt: '
            "use another path"
        )
    run = " ".join(_windows_quoted(word) for word in nightly.command)
    if len(run) > SCHTASKS_LIMIT:
        raise ScheduleError(
            f"the command is {len(run)} characters long and Windows takes {SCHTASKS_LIMIT}: "
            "move the site file or the store to a shorter path"
        )
    escaped = run.replace('"', '\\"')
    return f'schtasks /Create /TN "{_unit_name(nightly)}" /SC DAILY /ST {at:%H:%M} /TR "{escaped}"'


def _unit_name(nightly: Nightly) -> str:
    return f"checkup-{nightly.site}"


def _systemd_quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("%", "%%").replace("$", "$$") + '"'


def _cron_quoted(word: str) -> str:
    """Quoted for sh, with every % as a bare `\\%`: cron would end the command there, and cron and sh
    each read this form as a plain %, whichever of the two takes the backslash away."""
    if "\\" in word:
        raise ScheduleError("a path holds a backslash, which not every cron leaves alone: use another path")
    return r"\%".join(shlex.quote(part) if part else "" for part in word.split("%")) or "''"


def _windows_quoted(word: str) -> str:
    return f'"{word}"' if re.search(r"[^\w:./\\-]", word) else word


def _refuse_unusable(what: str, text: str) -> None:
    """A line break would start a new line of the unit or the crontab."""
    if not text or any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ScheduleError(f"{what} is empty or holds a control character: use another path")


def _refuse_relative(what: str, path: PurePath) -> None:
    _refuse_unusable(what, str(path))
    if not path.is_absolute():
        raise ScheduleError(f"{what} is relative: a timer has no current folder; make it absolute")


def _refuse_store(url: str) -> None:
    example = "use an absolute one, such as sqlite:////home/anna/checkup/store.sqlite3"
    # As SQLAlchemy reads it: after "user:", everything up to an @ is the password, slashes included.
    secret = re.match(r"[^:]*://[^:/]*:[^@]*@", url) or _SECRET_OPTIONS & {
        key.lower() for key, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)
    }
    if secret:
        raise ScheduleError(
            "the store URL holds a password, which everybody on this machine could read in the process list: "
            "leave it out, and keep it in the password file of the database's own client"
        )
    backend, separator, path = url.partition(":///")
    if backend.startswith("sqlite") and not (separator and re.match(r"/|[A-Za-z]:[\\/]", path)):
        raise ScheduleError(f"the store URL is relative: a timer has no current folder; {example}")
    if "://" not in url:
        raise ScheduleError(f"the store is not a URL: {example}")
