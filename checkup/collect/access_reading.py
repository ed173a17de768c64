"""One reading of an Access file, as deep as asked for, and what was left out of it.

The pages are asked for through one account of the source: what one part has read the next one takes from
memory, and the whole keeps to one budget. Nothing is raised for a damaged or encrypted file: what can be had
is had, and the reading says what could not.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from checkup.api import Depth
from checkup.jet.damage import Damage
from checkup.jet.formats import CATALOGUE_PAGE, JET3
from checkup.jet.pages import Budget, Counters, check_budget, count_round
from checkup.jet.problems import Kind, Problem, of_damage
from checkup.jet.source import Range, Source, SourceError, Stat

if TYPE_CHECKING:
    from checkup.jet.catalogue import Catalogue
    from checkup.jet.folder_rights import FolderRights
    from checkup.jet.header import Header
    from checkup.jet.integrity import Integrity
    from checkup.jet.lock_file import LockFile
    from checkup.jet.opening import AccessFile

COVERS: Final[dict[Depth, tuple[Depth, ...]]] = {
    "header": ("header",),
    "catalogue": ("header", "catalogue"),
    "maps": ("header", "catalogue", "maps"),
    "sample": ("header", "catalogue", "maps", "sample"),
    "index": ("header", "catalogue", "maps", "index"),
    "pages": ("header", "catalogue", "maps", "pages"),
    "rows": ("header", "catalogue", "maps", "index", "pages", "rows"),
}
"""What a look to a depth has seen of the others."""

# Pages that the parts have in common are some megabytes; what comes in larger pieces is a pass over the file.
MOST_REMEMBERED_BYTES: Final = 32 << 20
LARGEST_REMEMBERED_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = JET3.page_size  # of every page size a divisor

# A round of more than this measures the line's width, not how far away the file is.
SMALL_ROUND_BYTES: Final = 64 << 10
_OVER_NETWORK: Final = ("sftp://", "smb://")


class Refusal(NamedTuple):
    """Why nothing, or no more, could be read: the file is encrypted, its catalogue is damaged, or the source
    failed."""

    kind: str
    detail: str


class ReadLockFile(NamedTuple):
    """The lock file beside the file: what it says, and what the file system says of it."""

    content: LockFile
    size_bytes: int
    modified: float | None
    created: float | None


class Timing(NamedTuple):
    """How long the source was waited for. `round_trip_s`: the quickest of the small rounds, None where no
    network was in between."""

    seconds: float
    round_trip_s: float | None


class Left(NamedTuple):
    """A part that was not read, or not whole."""

    part: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one look brought. `catalogue` is None where it could not be read or was not asked for, `integrity`
    likewise below the depth maps; then `problems` and `in_motion` are those of the catalogue alone.

    `lock` is None where there is none, or it could not be read: then `lock_unread` says why.
    `folder` is None where nothing tells the rights in it. `done` are the depths that were reached; `refused`
    says why `depth` was not.
    """

    name: str
    depth: Depth
    done: tuple[Depth, ...]
    stat: Stat
    header: Header
    lock: ReadLockFile | None
    lock_unread: str
    folder: FolderRights | None
    catalogue: Catalogue | None
    integrity: Integrity | None
    problems: tuple[Problem, ...]
    in_motion: tuple[Problem, ...]
    left_out: tuple[Left, ...]
    refused: Refusal | None
    cost: Counters
    timing: Timing


def read_access(
    source: Source,
    *,
    depth: Depth,
    lock: bytes | None = None,
    lock_stat: Stat | None = None,
    lock_unread: str = "",
    folder: FolderRights | None = None,
    budget: Budget | None = None,
    threads: int = 1,
    pause: Callable[[], None] = lambda: None,
) -> Reading:
    """Look into the file at `source`; `lock` is the content of the lock file beside it, if there is one, and
    `lock_unread` says why it could not be read; `folder` are the rights where both lie.

    `pause` is called before what looks wrong is looked at again. Raises NotAccessError where the file is no
    Access file, SourceError where not even its first page could be read.
    """
    from checkup.jet.opening import open_file

    account = _Account(source, budget or Budget())
    file = open_file(account)
    look = _Look(account, file, depth, threads, pause)
    look.read()
    header = file.header
    return Reading(
        name=source.name,
        depth=depth,
        done=tuple(look.done),
        stat=file.stat,
        header=header,
        lock=None if lock is None else _lock_file(lock, lock_stat, header),
        lock_unread=lock_unread,
        folder=folder,
        catalogue=look.catalogue,
        integrity=look.integrity,
        problems=tuple(look.problems),
        in_motion=tuple(look.in_motion),
        left_out=(*look.left_out, *look.catalogue_left),
        refused=look.refused or look.no_catalogue,
        cost=account.counters,
        timing=account.timing,
    )


def _lock_file(content: bytes, stat: Stat | None, header: Header) -> ReadLockFile:
    from checkup.jet.lock_file import parse_lock_file

    size = len(content) if stat is None else stat.size_bytes
    parsed = parse_lock_file(content, header.text_encoding)
    modified, created = (None, None) if stat is None else (stat.modified, stat.created)
    return ReadLockFile(parsed, size, modified, created)


class _Look:
    """The parts one after the other, each as far as it can be had."""

    def __init__(
        self, account: _Account, file: AccessFile, depth: Depth, threads: int, pause: Callable[[], None]
    ) -> None:
        self.account = account
        self.file = file
        self.depth: Depth = depth
        self.threads = threads
        self.pause = pause
        self.done: list[Depth] = ["header"]
        self.catalogue: Catalogue | None = None
        self.integrity: Integrity | None = None
        self.problems: list[Problem] = []
        self.in_motion: list[Problem] = []
        self.left_out: list[Left] = []
        self.refused: Refusal | None = None
        # Of the newest look at the catalogue alone: a second one may bring what the first did not.
        self.catalogue_left: list[Left] = []
        self.no_catalogue: Refusal | None = None

    def read(self) -> None:
        if self.depth != "header" and not self.file.header.readable:
            self.refused = Refusal("encrypted", "the file is encrypted: only its header can be read")
            self.left_out = [
                Left(part=depth, detail="encrypted") for depth in COVERS[self.depth] if depth != "header"
            ]
        if self.depth == "header" or self.refused:
            self._settle(_cut_off)
        elif self.depth == "catalogue":
            self._settle(self._catalogue_damages)
            if self.catalogue is not None:
                self.done.append("catalogue")
        else:
            self._examine()
            known = {(problem.code, problem.page) for problem in (*self.problems, *self.in_motion)}
            self._settle(
                lambda file: [
                    one for one in self._catalogue_damages(file) if (one.code, one.page) not in known
                ]
            )

    def _examine(self) -> None:
        from checkup.jet.integrity import Plan, examine

        def again() -> None:
            self.pause()
            self.account.forget()

        plan = Plan(self.depth, threads=self.threads)
        found = examine(self.account, plan, pause=again, opened=self.file)
        self.integrity = found
        self.done = list(found.done)
        self.problems += found.problems
        self.in_motion += found.in_motion
        self.left_out += [Left(part=left.stage, detail=left.detail or left.reason) for left in found.left_out]
        if found.left_out and self.refused is None:
            first = found.left_out[0]
            self.refused = Refusal(first.reason, first.detail or first.reason)
        self._open_again()

    def _open_again(self) -> bool:
        """The file as the newest look saw it; False, and as it was, where it cannot be opened any more."""
        from checkup.jet.header import NotAccessError
        from checkup.jet.opening import open_file

        try:
            self.file = open_file(self.account)
        except (SourceError, NotAccessError) as error:
            self.refused = self.refused or Refusal("gone", str(error))
            return False
        return True

    def _settle(self, look: Callable[[AccessFile], list[Problem]]) -> None:
        """Looks twice where anything is wrong: what is the same on the same bytes stands, the rest moves."""
        found = look(self.file)
        if not found:
            return
        before = self._prints(self.file, found)
        self.pause()
        self.account.forget()
        if not self._open_again():
            self.in_motion += found
            return
        again = look(self.file)
        after = self._prints(self.file, found)
        for problem in found:
            stands = problem in again and before.get(problem.page) == after.get(problem.page)
            (self.problems if stands else self.in_motion).append(problem)
        self.in_motion += [problem for problem in again if problem not in found]

    def _prints(self, file: AccessFile, problems: Sequence[Problem]) -> dict[int, bytes]:
        numbers = {problem.page for problem in problems if problem.page < file.page_count}
        try:
            return file.pages.get(numbers)
        except SourceError:
            return {}

    def _catalogue_damages(self, file: AccessFile) -> list[Problem]:
        """Reads the catalogue, keeps it, and says what is wrong with it."""
        from checkup.jet.catalogue import UnreadableError, read_catalogue

        self.catalogue, self.no_catalogue, self.catalogue_left = None, None, []
        damages: tuple[Damage, ...] = ()
        unread: frozenset[int] = frozenset()
        try:
            self.catalogue = read_catalogue(file)
        except UnreadableError as error:
            damages, unread = (error.damage,), frozenset((CATALOGUE_PAGE,))
            self.no_catalogue = Refusal("damaged", str(error))
        except SourceError as error:
            self.no_catalogue = Refusal(error.kind, error.detail)
        else:
            damages = self.catalogue.damages
            unread = frozenset(
                table.object.definition_page for table in self.catalogue.tables if table.definition is None
            )
            self.catalogue_left = [
                Left(part=left.part, detail=left.detail) for left in self.catalogue.left_out
            ]
        if self.no_catalogue is not None and not any(left.part == "catalogue" for left in self.left_out):
            self.catalogue_left = [Left(part="catalogue", detail=self.no_catalogue.detail)]
        return [
            *_cut_off(file),
            *(_problem(damage, unread) for damage in damages),
            *(_shared(self.catalogue) if self.catalogue is not None else ()),
        ]


def _cut_off(file: AccessFile) -> list[Problem]:
    """Bytes after the last whole page."""
    if not file.trailing_bytes:
        return []
    cut = (file.trailing_bytes,)
    return [Problem(code="file-cut", page=file.page_count, kind="file", depth="header", numbers=cut)]


def _shared(catalogue: Catalogue) -> Iterator[Problem]:
    """Definitions that several objects name."""
    named = Counter(table.object.definition_page for table in catalogue.tables)
    for page, objects in named.items():
        if objects > 1:
            yield Problem(
                code="definition-shared",
                page=page,
                kind="definition",
                depth="catalogue",
                owner=page,
                numbers=(objects,),
            )


_KINDS: Final[dict[str, Kind]] = {"definition": "definition", "map": "map-rows", "value": "long-values"}


def _problem(damage: Damage, unread: frozenset[int]) -> Problem:
    """`unread` are the definitions that could not be read: what is wrong with their tables is there."""
    of_definition = damage.owner in unread and damage.code.startswith("page")
    kind = "definition" if of_definition else _KINDS.get(damage.code.partition("-")[0], "data")
    return of_damage(damage, kind, "catalogue")


class _Account:
    """A source that remembers what it read, counts what that cost, and keeps to a budget."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self.counters = Counters()
        self._source = source
        self._budget = budget
        self._blocks: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._seconds = 0.0
        self._quickest: float | None = None

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def timing(self) -> Timing:
        over_network = self._source.name.startswith(_OVER_NETWORK)
        return Timing(self._seconds, self._quickest if over_network else None)

    def stat(self) -> Stat:
        return self._source.stat()

    def read(self, ranges: Sequence[Range]) -> list[bytes]:
        """See `Source.read`; what is remembered costs nothing. Raises SourceError."""
        answers = [self._remembered(one) for one in ranges]
        missing = [one for one, answer in zip(ranges, answers, strict=True) if answer is None]
        if not missing:
            return [answer for answer in answers if answer is not None]
        with self._lock:
            check_budget(self._budget, self.counters, sum(length for _, length in missing))
        started = time.perf_counter()
        read = self._source.read(missing)
        seconds = time.perf_counter() - started
        with self._lock:
            self._count_time(seconds, sum(map(len, read)))
            count_round(self.counters, missing, read)
            for (offset, length), answer in zip(missing, read, strict=True):
                if length <= LARGEST_REMEMBERED_BYTES:
                    self._remember(offset, answer)
        new = iter(read)
        return [next(new) if answer is None else answer for answer in answers]

    def close(self) -> None:
        self._source.close()

    def forget(self) -> None:
        """What is asked for from now on is read anew."""
        self._blocks.clear()

    def _count_time(self, seconds: float, nbytes: int) -> None:
        self._seconds += seconds
        if nbytes <= SMALL_ROUND_BYTES and (self._quickest is None or seconds < self._quickest):
            self._quickest = seconds

    def _remember(self, offset: int, answer: bytes) -> None:
        if offset % _BLOCK_BYTES:
            return
        for at in range(0, len(answer) - _BLOCK_BYTES + 1, _BLOCK_BYTES):
            if len(self._blocks) * _BLOCK_BYTES >= MOST_REMEMBERED_BYTES:
                return
            self._blocks[(offset + at) // _BLOCK_BYTES] = answer[at : at + _BLOCK_BYTES]

    def _remembered(self, wanted: Range) -> bytes | None:
        offset, length = wanted
        if offset % _BLOCK_BYTES or length % _BLOCK_BYTES or length > LARGEST_REMEMBERED_BYTES:
            return None
        first = offset // _BLOCK_BYTES
        blocks: list[bytes] = []
        for number in range(first, first + length // _BLOCK_BYTES):
            block = self._blocks.get(number)
            if block is None:
                return None
            blocks.append(block)
        return b"".join(blocks)
