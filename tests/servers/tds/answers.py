"""What a script answers to a statement: steps that the server takes one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .data_types import DataType

if TYPE_CHECKING:
    from .statements import Statement

Reach = Literal["statement", "scope", "batch", "connection"]


@dataclass(frozen=True)
class Column:
    name: str
    type: DataType
    nullable: bool = True


@dataclass(frozen=True)
class Rows:
    """One result set. `rows` may be a function: what it gives is asked only as fast as the client reads.

    `ordered_by`: names of columns. With `complete=False` the end is missing: an Error or a HangUp follows.
    """

    columns: Sequence[Column]
    rows: Collection[Sequence[object]] | Callable[[], Iterable[Sequence[object]]] = ()
    ordered_by: Sequence[str] = ()
    complete: bool = True

    def __iter__(self) -> Iterator[Sequence[object]]:
        return iter(self.rows() if callable(self.rows) else self.rows)


@dataclass(frozen=True)
class Error:
    """An error, or with a severity of at most 10 a message (INFO).

    `stops`: what ends with it. None: what the real server ends with this number, see `reach_of`.
    """

    number: int
    text: str
    severity: int = 16
    state: int = 1
    line: int = 1
    procedure: str = ""
    stops: Reach | None = None

    @property
    def reach(self) -> Reach:
        return self.stops or reach_of(self.number, self.severity)


@dataclass(frozen=True)
class Affected:
    """A statement without a result set: how many rows it touched; None says nothing."""

    rows: int | None = None


@dataclass(frozen=True)
class Pause:
    """Time passes, in seconds. The client's ATTENTION ends it and the batch, unless `deaf`."""

    seconds: float
    deaf: bool = False


@dataclass(frozen=True)
class HangUp:
    """The connection is lost, after what was said so far has left; `abruptly` by a reset."""

    abruptly: bool = False


@dataclass(frozen=True)
class Needs:
    """Only an account that has all `permissions` gets `then`; another gets the errors of the first it lacks.

    A permission is written as `Account.permissions` has it.
    """

    permissions: Sequence[str]
    then: Answer = field(repr=False)


Step = Rows | Error | Affected | Pause | HangUp | Needs
Answer = Step | Sequence[Step] | Callable[["Statement"], "Answer"]

# "Database Engine events and errors" names the numbers; what each ends is in the documentation of
# TRY...CATCH (statement-level recompilation: names that do not exist end the scope that names them) and
# of SET XACT_ABORT. Where Microsoft says nothing, the least is assumed: the statement.
_ENDS_SCOPE = frozenset({207, 208, 195, 4104, 4121})
_ENDS_BATCH = frozenset({102, 156, 241, 245, 1205, 3930})
_FATAL_SEVERITY = 20


def reach_of(number: int, severity: int) -> Reach:
    if severity >= _FATAL_SEVERITY:
        return "connection"
    if number in _ENDS_BATCH:
        return "batch"
    return "scope" if number in _ENDS_SCOPE else "statement"
