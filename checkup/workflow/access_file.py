"""`checkup access`: one Access file, looked into where it lies and judged by the probes of kind "access".

Nothing is stored, and nothing is written beside the file. No site file is needed: the probes' own levels are
in force.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import os
import pkgutil
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal

from checkup.access_depth import WITH_ROWS, WITHOUT_ROWS
from checkup.api import JSON, AccessFile, Day, Depth, ErrorClass, Impact, Instant, Scope, Target, Value, When
from checkup.assessment import ItemResult, Outcome
from checkup.collect.access_parts import file_name, parts
from checkup.collect.access_reading import COVERS, Reading, read_access
from checkup.collect.access_sections import cut
from checkup.jet.header import NotAccessError
from checkup.jet.pages import Budget
from checkup.jet.source import Source, SourceError, Stat
from checkup.snapshot import SectionSnapshot
from checkup.workflow.probe_packages import probe_packages

if TYPE_CHECKING:
    from checkup.catalogue import Catalogue, Entry
    from checkup.transports.access_source import Files
    from checkup.transports.session import Credential

KIND: Final = "access"

# A local file up to this size is read whole unless told otherwise: a matter of seconds.
WHOLE_BYTES: Final = 500 * 1000**2
# The maps of the largest file there can be take some 8 MB.
REMOTE_BUDGET: Final = Budget(bytes=64 << 20)
# What looks wrong is looked at again after this time: in a file that is written to it has changed by then.
PAUSE_S: Final = 0.3

_IMPACTS: Final = tuple(Impact)
_WHENS: Final = tuple(When)
_OUTCOMES: Final = (Outcome.FINDING, Outcome.NOT_CHECKED, Outcome.PASSED, Outcome.NOT_APPLICABLE)

# How files start that people take for an Access file, or rename to one.
_STARTS: Final = (
    (b"PK\x03\x04", "a ZIP archive, or a document of Word or Excel"),
    (b"\xd0\xcf\x11\xe0", "an old document of Office (Word, Excel, Outlook)"),
    (b"SQLite format 3\x00", "a database of SQLite"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a file compressed with gzip"),
    (b"7z\xbc\xaf", "an archive of 7-Zip"),
    (b"MZ", "a program of Windows"),
    (b"TAPE", "a back-up of SQL Server"),
    (b"\x01\x0f\x00\x00", "a data file of SQL Server"),
)


class AccessFileError(Exception):
    """The file cannot be looked at. `why`: "usage" where the command or the file is the wrong one, "closed"
    where the file may be right but could not be reached or opened."""

    def __init__(self, why: Literal["usage", "closed"], text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One result, with what its probe says about it; `message` is filled in and clean."""

    result: ItemResult
    title: str
    message: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class Examined:
    """`not_asked` are the titles of probes that need a greater depth, by that depth."""

    reading: Reading
    parts: Mapping[str, JSON]
    judged: tuple[Judged, ...]
    not_asked: Mapping[Depth, tuple[str, ...]]

    def of(self, outcome: Outcome, *, notes: bool = False) -> tuple[Judged, ...]:
        """The results with this outcome; of the findings either those that count or those for information."""
        return tuple(
            one
            for one in self.judged
            if one.result.outcome is outcome
            and (outcome is not Outcome.FINDING or (one.result.impact is Impact.NOTE) == notes)
        )

    @property
    def complete(self) -> bool:
        """Everything that was asked for was looked at, by at least one probe."""
        left = self.reading.refused or self.reading.left_out or self.reading.in_motion
        return bool(self.judged) and not left and not self.of(Outcome.NOT_CHECKED)


def examine_file(
    address: str,
    *,
    depth: Depth | None = None,
    password: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    pause: Callable[[], None] = lambda: time.sleep(PAUSE_S),
) -> Examined:
    """Look into the file at `address`: a path, sftp://user@host/path or smb://user@host/share/path.

    `password` is a reference to the one for a server. Without `depth` a local file of moderate size is read
    whole, every other to its maps. Raises AccessFileError, and CatalogueError where a probe is broken.
    """
    local = "://" not in address
    if not local and depth in WITH_ROWS:
        raise AccessFileError(
            "usage",
            f"the depth {depth!r} would bring pages with patients' data over the network: look with "
            f"--depth {WITHOUT_ROWS} from here, or run this command on the server itself",
        )
    with _local(Path(address)) if local else _remote(address, password) as (source, lock):
        try:
            chosen = depth or _default(source, local=local)
            reading = read_access(
                source,
                depth=chosen,
                lock=lock.content,
                lock_stat=lock.stat,
                lock_unread=lock.unread,
                budget=None if local else REMOTE_BUDGET,
                threads=min(2, _processors()) if local else 1,
                pause=pause,
            )
        except NotAccessError as error:
            raise AccessFileError("usage", f"{source.name}: {_not_access(error, source)}") from error
        except SourceError as error:
            raise _closed(source.name, error) from error
    return judge_reading(reading, access_probes(), now())


def _default(source: Source, *, local: bool) -> Depth:
    return "pages" if local and source.stat().size_bytes < WHOLE_BYTES else "maps"


def _processors() -> int:
    """That this process may use: with threads on one, it would take longer than without."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# --- where the file lies ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lock:
    """The lock file beside the file: neither there nor `unread` where there is none."""

    content: bytes | None = None
    stat: Stat | None = None
    unread: str = ""


@contextmanager
def _local(path: Path) -> Generator[tuple[Source, _Lock]]:
    from checkup.jet.local import LocalSource

    try:
        if path.is_dir():
            raise AccessFileError("usage", f"{path} is a folder: name the file itself")
        source = LocalSource(path)
    except PermissionError as error:
        raise _closed(str(path), SourceError("denied", str(error))) from error
    except SourceError as error:
        raise _closed(str(path), error) from error
    try:
        yield source, _local_lock(path)
    finally:
        source.close()


def _local_lock(path: Path) -> _Lock:
    from checkup.jet.local import LocalSource
    from checkup.jet.lock_file import MOST_BYTES, SUFFIXES

    named = SUFFIXES.get(path.suffix.lower())
    for suffix in (named,) if named else tuple(dict.fromkeys(SUFFIXES.values())):
        try:
            lock = LocalSource(path.with_suffix(suffix))
        except SourceError as error:
            if error.kind == "gone":
                continue
            return _Lock(unread=error.detail)
        try:
            return _Lock(lock.read([(0, MOST_BYTES)])[0], lock.stat())
        except SourceError as error:
            return _Lock(unread=error.detail)
        finally:
            lock.close()
    return _Lock()


@contextmanager
def _remote(address: str, password: str) -> Generator[tuple[Source, _Lock]]:
    from checkup.transports import access_source
    from checkup.transports.session import TransportError

    try:
        parsed = access_source.parse_address(address)
    except ValueError as error:
        raise AccessFileError("usage", str(error)) from error
    assert not isinstance(parsed, access_source.LocalAddress)
    if not parsed.user:
        raise AccessFileError("usage", "the address names no user: write scheme://user@host/...")
    smb = isinstance(parsed, access_source.SmbAddress)
    host = parsed.connect.host
    try:
        files, path = access_source.open_address(
            parsed, credential=_credential(parsed.user, host, password, smb=smb)
        )
    except TransportError as error:
        other = error.error is ErrorClass.AUTH and not password
        hint = "; --password names where a password is" if other else ""
        raise AccessFileError("closed", f"{host}: {error.detail}{hint}") from error
    try:
        source = files.open(path)
        try:
            yield source, _remote_lock(files, path)
        finally:
            source.close()
    except SourceError as error:
        raise _closed(address, error) from error
    except TransportError as error:
        raise AccessFileError("closed", f"{host}: {error.detail}") from error
    finally:
        files.close()


def _remote_lock(files: Files, path: str) -> _Lock:
    try:
        found = files.lock_file(path)
    except SourceError as error:
        return _Lock(unread=error.detail)
    return _Lock() if found is None else _Lock(found.content, found.stat)


def _credential(user: str, host: str, password: str, *, smb: bool) -> Credential:
    """For a file server a password is asked for; SSH takes the agent's keys unless one is named."""
    from checkup.transports.session import Credential

    if not password and not smb:
        return Credential(name=user, user=user, agent=True)
    return Credential(name=user, user=user, password=password or f"prompt:Password of {user} on {host}")


def _closed(name: str, error: SourceError) -> AccessFileError:
    if error.kind == "gone":
        text = error.detail if name in error.detail else f"{name}: {error.detail}"
        return AccessFileError("usage", text)
    if error.kind == "denied":
        return AccessFileError("closed", f"{name}: no right to read it; use an account that may")
    return AccessFileError("closed", f"{name}: {error.detail}")


def _not_access(error: NotAccessError, source: Source) -> str:
    """What the file is, as far as its first bytes tell."""
    if error.reason != "other":
        return f"this is no Access file that can be read: {error.detail}"
    try:
        (start,) = source.read([(0, 64)])
    except SourceError:
        start = b""
    known = next((what for begins, what in _STARTS if start.startswith(begins)), None)
    return f"this is no Access file: {f'it is {known}' if known else error.detail}"


# --- judging ------------------------------------------------------------------------------------


def access_probes() -> Catalogue:
    """The probes in the folder `access` of every package of probes; of a package without one, all of them.

    Whoever looks at one file does not wait for a hundred modules about machines. Raises CatalogueError.
    """
    from checkup.catalogue import GROUP, CatalogueError, build

    modules: list[ModuleType] = []
    for point in probe_packages(GROUP):
        package = point.value.partition(":")[0]
        try:
            modules += _modules(package)
        except Exception as error:
            raise CatalogueError(
                f"probe package {point.name!r} cannot be imported: {type(error).__name__}: {error}"
            ) from error
    return build(modules)


def _modules(package: str) -> Iterator[ModuleType]:
    top = importlib.import_module(package)
    yield top
    folder = f"{package}.{KIND}" if importlib.util.find_spec(f"{package}.{KIND}") else package
    first = importlib.import_module(folder)
    yield first
    for info in pkgutil.walk_packages(getattr(first, "__path__", []), folder + "."):
        yield importlib.import_module(info.name)


def judge_reading(reading: Reading, catalogue: Catalogue, now: datetime) -> Examined:
    """What the probes say of a reading. Pure."""
    from checkup.analyse.judge import World, judge_target
    from checkup.catalogue import LevelsInForce

    made = parts(reading)
    target = Target(id="file", kind=KIND, title=file_name(reading.name))
    asked, not_asked = _asked(catalogue, reading.depth)
    world = World(
        catalogue=catalogue,
        targets={target.id: target},
        snapshots={(target.id, one.section): one for one in _snapshots(reading, made, asked, target, now)},
        now=now,
        history={},
        previous={},
    )
    judged = [
        _judged(result, entry, target, now)
        for entry in asked
        for result in judge_target(entry, target, LevelsInForce(entry.probe.levels, {}), world).results
    ]
    return Examined(
        reading=reading, parts=made, judged=tuple(sorted(judged, key=_urgency)), not_asked=not_asked
    )


def _asked(catalogue: Catalogue, depth: Depth) -> tuple[list[Entry], dict[Depth, tuple[str, ...]]]:
    """The probes that can be asked at this depth, and the titles of the others by the depth they need."""
    asked: list[Entry] = []
    deeper: dict[Depth, list[str]] = {}
    for entry in catalogue.entries.values():
        if entry.probe.kind != KIND or entry.probe.scope is not Scope.TARGET:
            continue
        beyond: list[Depth] = [one for one in _depths(entry) if one not in COVERS[depth]]
        if beyond:
            deeper.setdefault(beyond[0], []).append(entry.probe.title)
        else:
            asked.append(entry)
    return asked, {one: tuple(titles) for one, titles in deeper.items()}


def _depths(entry: Entry) -> Iterator[Depth]:
    """Those of the sections that the probe cannot do without."""
    for need in entry.needs:
        collector = need.section.collect.get(KIND)
        if not need.optional and isinstance(collector, AccessFile):
            yield collector.depth


def _snapshots(
    reading: Reading, made: Mapping[str, JSON], asked: Sequence[Entry], target: Target, now: datetime
) -> Iterator[SectionSnapshot]:
    sections = {need.section.name: need.section for entry in asked for need in entry.needs}
    for name, section in sections.items():
        collector = section.collect.get(KIND)
        if isinstance(collector, AccessFile):
            found = cut(reading, made, collector)
            yield SectionSnapshot(
                target=target.id,
                section=name,
                version=section.version,
                source=KIND,
                quality=found.quality,
                collected_at=now,
                raw=found.raw,
                reason=found.reason,
            )


def _judged(result: ItemResult, entry: Entry, target: Target, now: datetime) -> Judged:
    from checkup.report.text import Formats, clean, fill, prose

    message = ""
    if result.outcome is Outcome.FINDING:
        formats = Formats(zone=UTC, now=now)
        values = {name: formats.value(value) for name, value in result.evidence.items()}
        values |= {"item": clean(result.item), "target": clean(target.title)}
        message = fill(entry.probe.messages.get(result.message, result.message), values)
    return Judged(
        result=result, title=prose(entry.probe.title), message=message, remedy=prose(entry.probe.remedy)
    )


def _urgency(one: Judged) -> tuple[int, int, int, str, str]:
    result = one.result
    return (
        _OUTCOMES.index(result.outcome),
        _IMPACTS.index(result.impact) if result.impact else len(_IMPACTS),
        _WHENS.index(result.when) if result.when else len(_WHENS),
        result.probe,
        result.item,
    )


# --- for programs -------------------------------------------------------------------------------


def as_json(examined: Examined) -> dict[str, JSON]:
    """Everything that was found, as one document."""
    return {
        "depth": examined.reading.depth,
        "complete": examined.complete,
        "results": [_result_json(one) for one in examined.judged],
        "not_asked": {depth: list[JSON](titles) for depth, titles in examined.not_asked.items()},
        "parts": dict(examined.parts),
    }


def _result_json(one: Judged) -> JSON:
    result = one.result
    return {
        "probe": result.probe,
        "title": one.title,
        "outcome": result.outcome.value,
        "item": result.item,
        "impact": result.impact.value if result.impact else None,
        "when": result.when.value if result.when else None,
        "message": one.message,
        "remedy": one.remedy if result.outcome is Outcome.FINDING else "",
        "reason": result.reason,
        "evidence": {name: _value_json(value) for name, value in result.evidence.items()},
    }


def _value_json(value: Value) -> JSON:
    if isinstance(value, Instant | Day):
        return {"value": value.value.isoformat(), "kind": value.kind}
    plain: dict[str, Any] = dataclasses.asdict(value)
    return plain
