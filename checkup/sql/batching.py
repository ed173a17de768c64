"""Statements that travel together, and which answer belongs to which.

SQL Server takes several statements in one round trip. Each is a text of its own to `sp_executesql`, inside
TRY and CATCH: one that fails, even at compiling, is answered by a result set that names it, and costs nothing
but itself ("TRY...CATCH (Transact-SQL)": errors of a lower level of execution are caught by the caller).

One that succeeds is followed by a result set that names it, too, and tells how many rows it gave ("@@ROWCOUNT
(Transact-SQL)": an EXECUTE keeps what its last statement set). The place among the answers proves nothing:
some statements give no result set, and some drivers leave out sets without rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from checkup.api import JSON
from checkup.sql.engine import Engine, Rows, literal

FAILED: Final = "checkup_failed"
DONE: Final = "checkup_done"

# What counts its rows in @@ROWCOUNT. Of procedures of the server's own and DBCC nobody says whether they do.
_COUNTED: Final = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)

# What travels together at most: a lost batch has to be sent again one by one.
MOST_TOGETHER = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One statement; `name` is that of the section that it serves, or of one of its parts."""

    name: str
    text: str
    timeout_s: int = 15
    most_rows: int = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """What the server said instead of rows: its own number (SQL Server, MariaDB) or SQLSTATE. `text` may
    hold names and values of the site; see errors.py."""

    number: int = 0
    sqlstate: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class NoRows:
    """A statement that gave no row, and of whose columns nothing is known."""

    columns: tuple[str, ...] = ()
    rows: list[list[JSON]] = field(default_factory=list[list[JSON]])
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Doubt:
    """The server says that it was done, and what came is not what it says. `reason` is one for people."""

    reason: str


Answer = Rows | Failure | Doubt


def marked(ask: Ask) -> str:
    """The statement with the comment by which a client's administrator knows where it comes from."""
    return f"/* checkup:{ask.name} */\n{ask.text.strip()}"


def batch(engine: Engine, asks: Sequence[Ask], database: str = "") -> str:
    """The text of one round trip, of one statement where the engine takes no more.

    With `database` that database is entered first, and its name asked: see `entered`.
    """
    if not engine.several:
        (ask,) = asks
        return marked(ask)
    lines = [_guarded(ask) for ask in asks]
    if database:
        lines = [f"USE {engine.quoted(database)};", _guarded(WHERE), *lines]
    return "\n".join(lines) + "\n"


# Which database the session is in: a USE that failed must not let another database's rows pass for its own.
WHERE = Ask(name="database", text="SELECT DB_NAME() AS database_name")


def _guarded(ask: Ask) -> str:
    name = literal(ask.name)
    rows = "@@ROWCOUNT" if _COUNTED.match(ask.text) else "NULL"
    return (
        f"BEGIN TRY EXEC sys.sp_executesql N{literal(marked(ask))};\n"
        f"SELECT N{name} AS {DONE}, {rows} AS row_count END TRY\n"
        f"BEGIN CATCH SELECT N{name} AS {FAILED}, ERROR_NUMBER() AS number, ERROR_STATE() AS state, "
        "CONVERT(nvarchar(400), ERROR_MESSAGE()) AS message END CATCH;"
    )


def entered(answers: dict[str, Answer], database: str) -> bool:
    """Whether the answers of a database's batch are that database's; takes the answer to that out."""
    answer = answers.pop(WHERE.name, None)
    return answer is not None and not isinstance(answer, Failure | Doubt) and answer.rows[:1] == [[database]]


def sort_answers(engine: Engine, asks: Sequence[Ask], given: Sequence[Rows]) -> dict[str, Answer]:
    """The answer of each statement of a round trip that told its end; the others were not answered.

    A statement gives one result set, or none. One that fails half-way gives the rows until then and after
    them the set that says so, which counts.
    """
    if not engine.several:
        (ask,) = asks
        return {ask.name: given[0]} if len(given) == 1 else {}
    names = {ask.name for ask in asks}
    answers: dict[str, Answer] = {}
    since: list[Rows] = []  # the last end that was told
    for rows in given:
        if rows.columns[:1] not in ((DONE,), (FAILED,)):
            since.append(rows)
            continue
        name = str(rows.rows[0][0]) if rows.rows else ""
        if name in answers:
            answers[name] = Doubt("the server's answer holds it twice")
        elif name in names and rows.columns[0] == FAILED:
            answers[name] = _failure(rows)
        elif name in names and len(since) <= 1:  # else the end of another one went missing
            answers[name] = _proved(since[0] if since else NoRows(), rows.rows[0][-1])
        since = []
    return answers


def _proved(given: Rows, count: JSON) -> Answer:
    """The rows, if they are as many as the server says; None where it does not say."""
    came = len(given.rows)
    if count is None:
        return given
    if isinstance(count, int) and (count >= came if given.truncated else count == came):
        return given
    return Doubt(f"the server says that it has {count} rows, and {came} came")


def _failure(rows: Rows) -> Failure:
    _, number, _, text = (*rows.rows[0], None, None, None)[:4]
    return Failure(
        number=number if isinstance(number, int) else 0, text=text if isinstance(text, str) else ""
    )


def groups(engine: Engine, asks: Sequence[Ask], most: int = MOST_TOGETHER) -> Iterator[tuple[Ask, ...]]:
    """The statements by round trips, in their order, parts of one section never apart.

    Where a round trip takes one statement only, a group is one section's: its parts go one by one.
    """
    if not engine.several:
        yield from map(tuple, _units(asks))
        return
    group: list[Ask] = []
    for unit in _units(asks):
        if group and len(group) + len(unit) > most:
            yield tuple(group)
            group = []
        group += unit
    if group:
        yield tuple(group)


def _units(asks: Sequence[Ask]) -> Iterator[list[Ask]]:
    unit: list[Ask] = []
    for ask in asks:
        if unit and section_of(ask.name) != section_of(unit[0].name):
            yield unit
            unit = []
        unit.append(ask)
    if unit:
        yield unit


# A section's second statement, which tells whether rows were left out.
CANARY = ":canary"


def section_of(name: str) -> str:
    return name.removesuffix(CANARY)


def patience_s(group: Sequence[Ask]) -> int:
    """How long a round trip may take: its slowest statement's time, and a little for each of the others.

    All of them hanging would be the server hanging; then they are asked one by one, each with its own time.
    """
    return max(ask.timeout_s for ask in group) + len(group) - 1
