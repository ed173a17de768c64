"""`checkup import --watch`: takes the answers that arrive in a folder, one by one as they are complete.

Nothing is moved or deleted: what was taken is known by its content, from the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from checkup.transports import TransportError, bundle
from checkup.transports.bundle_file import read_content
from checkup.workflow.bundle_instructions import SUFFIX
from checkup.workflow.check_up import Done, Progress, Say
from checkup.workflow.importing import ImportRefused, ImportWish, import_files
from checkup.workflow.prepare import utc_now

# A file that was not written to for so long will not be completed any more.
GIVEN_UP = timedelta(hours=1)


@dataclass
class Folder:
    """What is known of the files in it, by name, size and time: a file is looked into once."""

    path: Path
    seen: set[tuple[str, int, float]] = field(default_factory=set[tuple[str, int, float]])
    waited_for: set[str] = field(default_factory=set[str])

    def arrived(self, now: datetime, say: Say) -> list[Path]:
        """The complete files that were not looked into yet. Raises OSError for a folder that is none."""
        complete: list[Path] = []
        for path in sorted(self.path.iterdir()):
            if path.suffix != SUFFIX or not path.is_file():
                continue
            found = path.stat()
            mark = (path.name, found.st_size, found.st_mtime)
            if mark in self.seen:
                continue
            if _is_complete(path):
                self.seen.add(mark)
                complete.append(path)
            elif (
                now.timestamp() - found.st_mtime > GIVEN_UP.total_seconds()
                and path.name not in self.waited_for
            ):
                self.waited_for.add(path.name)
                say(
                    f"{path}: not complete, and not written to any more; `checkup import` says what is wrong "
                    "with it"
                )
        return complete


def _is_complete(path: Path) -> bool:
    try:
        return read_content(bundle.read_file(path)).complete
    except TransportError:
        return False  # being written, on Windows: it cannot be read yet


def watch(
    wish: ImportWish,
    folder: Path,
    *,
    once: bool,
    wait: Callable[[], None],
    progress: Progress,
    say: Say,
    report: Callable[[Done], None],
    clock: Callable[[], datetime] = utc_now,
) -> Done | None:
    """Import what arrives until Ctrl-C, or with `once` what is there; `report` is told of each import.

    Returns the last import; None where nothing came.
    """
    known = Folder(folder)
    last: Done | None = None
    while True:
        arrived = known.arrived(clock(), say)
        if arrived:
            try:
                done = import_files(
                    replace(wish, files=tuple(arrived)), progress=progress, say=say, clock=clock
                )
            except ImportRefused as refused:
                say(f"not taken: {refused}")
            else:
                if done.assessment is not None:
                    report(done)
                    last = done
        if once:
            return last
        try:
            wait()
        except KeyboardInterrupt:
            return last
