"""Statements that travel together, and which answer belongs to which.

SQL Server takes several statements in one round trip. Each is a text of its own to `sp_executesql`, inside
TRY and CATCH: one that fails, even at compiling, is answered by a result set that names it, and costs nothing
but itself ("TRY...CATCH (Transact-SQL)": errors of a lower level of execution are caught by the caller).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.sql.engine import Engine, Rows, literal

FAILED = "checkup_failed"

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


Answer = Rows | Failure


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
    return (
        f"BEGIN TRY EXEC sys.sp_executesql N{literal(marked(ask))} END TRY\n"
        f"BEGIN CATCH SELECT N{name} AS {FAILED}, ERROR_NUMBER() AS number, ERROR_STATE() AS state, "
        "CONVERT(nvarchar(400), ERROR_MESSAGE()) AS message END CATCH;"
    )


def entered(answers: dict[str, Answer], database: str) -> bool:
    """Whether the answers of a database's batch are that database's; takes the answer to that out."""
    answer = answers.pop(WHERE.name, None)
    return answer is not None and not isinstance(answer, Failure) and answer.rows[:1] == [[database]]


def sort_answers(asks: Sequence[Ask], given: Sequence[Rows]) -> dict[str, Answer]:
    """The answer of each statement of a batch, as far as they came.

    A statement gives one result set. One that fails half-way gives the rows until then and after them the
    set that says so, which counts.
    """
    names = [ask.name for ask in asks]
    answers: dict[str, Answer] = {}
    waiting = 0
    for rows in given:
        if rows.columns[:1] == (FAILED,):
            name = str(rows.rows[0][0]) if rows.rows else ""
            if name in names:
                answers[name] = _failure(rows)
                waiting = names.index(name) + 1
        elif waiting < len(names):
            answers[names[waiting]] = rows
            waiting += 1
    return answers


def _failure(rows: Rows) -> Failure:
    _, number, _, text = (*rows.rows[0], None, None, None)[:4]
    return Failure(
        number=number if isinstance(number, int) else 0, text=text if isinstance(text, str) else ""
    )


def groups(engine: Engine, asks: Sequence[Ask], most: int = MOST_TOGETHER) -> Iterator[tuple[Ask, ...]]:
    """The statements by round trips, in their order, parts of one section never apart."""
    if not engine.several:
        yield from ((ask,) for ask in asks)
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
