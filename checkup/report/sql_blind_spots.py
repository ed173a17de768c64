"""What could not be seen for want of a right, and the statements that give these rights, as one list to run.

The reasons of what was not checked hold the statements (checkup/sql/rights.py). Only statements of the few
forms that the check-up ever asks for are taken from there: a script that an administrator runs is not made of
whatever a server said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup.assessment import Outcome
from checkup.report.model import BlindSpot
from checkup.report.target_page import why
from checkup.report.target_results import TargetResults
from checkup.report.text import clean

_NAME = r"(?:\[(?:[^\]]|\]\])+\]|\"(?:[^\"]|\"\")+\"|`(?:[^`]|``)+`|'(?:[^']|'')*')"
_ACCOUNT = rf"{_NAME}(?:@{_NAME})?"
_PIECE = re.compile(rf"(?:{_NAME}|[^;])+")
# Where a statement begins within a reason: at its start, or after the sentence before it.
_BEGIN = re.compile(r"(?:^|: )((?:USE |GRANT |IF DATABASE_PRINCIPAL_ID\().*)$", re.DOTALL)
_USE = re.compile(rf"USE ({_NAME})")
_USER = re.compile(
    rf"IF DATABASE_PRINCIPAL_ID\(N'(?:[^']|'')+'\) IS NULL CREATE USER {_NAME} FOR LOGIN {_NAME}"
)
_READS = (
    r"VIEW [A-Z ]+|CONNECT(?: ANY DATABASE)?|ALTER TRACE|pg_[a-z_]+|"
    r"(?:SELECT|EXECUTE|VIEW [A-Z]+) ON (?:FUNCTION )?[\w.`*]+(?:\(\))?|"
    rf"CONNECT ON DATABASE {_NAME}|REFERENCES ON (?:{_NAME}|\*)\.\*|"
    r"(?:PROCESS|SHOW DATABASES|SHOW VIEW|BINLOG MONITOR|BINLOG ADMIN|SLAVE MONITOR|REPLICATION [A-Z ]+) "
    r"ON \*\.\*"
)
_GRANT = re.compile(rf"GRANT ({_READS}) TO {_ACCOUNT}")


A_USER = "a user in the database"


@dataclass(frozen=True, slots=True)
class Grant:
    """`right` is the word of the statement, or A_USER where the user in a database is all that is wanted.
    `use` and `user` go before the statement, "" where it needs neither."""

    right: str
    statement: str
    use: str = ""
    user: str = ""


def grants_in(reason: str) -> Iterator[Grant]:
    """The statements within one reason."""
    use = user = ""
    alone = True  # no right was given to the user yet
    for piece in _PIECE.findall(reason):
        begun = _BEGIN.search(piece.strip())
        text = begun[1].strip() if begun else ""
        if found := _USE.fullmatch(text):
            yield from _user_alone(use, user, alone)
            use, user, alone = found[0], "", True
        elif _USER.fullmatch(text):
            user = text
        elif found := _GRANT.fullmatch(text):
            alone = False
            yield Grant(right=found[1], statement=text, use=use, user=user)
    yield from _user_alone(use, user, alone)


def _user_alone(use: str, user: str, alone: bool) -> Iterator[Grant]:
    """Before SQL Server 2014 a database is entered as its user. Of which database must be said: a user made
    wherever the administrator happens to be helps nobody."""
    if use and user and alone:
        yield Grant(right=A_USER, statement=user, use=use)


@dataclass(frozen=True, slots=True)
class Blindness:
    """`reasons` are those that a right would settle, as they are printed: they need not be told again."""

    spots: tuple[BlindSpot, ...]
    grants: tuple[str, ...]
    reasons: frozenset[str]


def blindness(instance: TargetResults) -> Blindness:
    titles: dict[str, list[str]] = {}
    grants: dict[Grant, None] = {}
    reasons: set[str] = set()
    for probe, results in instance.results.items():
        for result in results:
            if result.outcome is not Outcome.NOT_CHECKED:
                continue
            found = list(grants_in(result.reason))
            if not found:
                continue
            reasons.add(why(instance, result))
            title = clean(instance.printer.probe(probe).title)
            titles.setdefault(", ".join(dict.fromkeys(map(_named, found))), []).append(title)
            grants |= dict.fromkeys(found)
    return Blindness(
        spots=tuple(
            BlindSpot(right=clean(right), checks=clean("; ".join(dict.fromkeys(names))))
            for right, names in titles.items()
        ),
        grants=tuple(clean(line) for line in script(list(grants))),
        reasons=frozenset(reasons),
    )


def _named(grant: Grant) -> str:
    """The right with the database of its object."""
    if not grant.use or " ON " not in grant.right:
        return grant.right
    return grant.right.replace(" ON ", f" ON {grant.use.removeprefix('USE ').strip('[]')}.", 1)


def script(grants: Sequence[Grant]) -> Iterator[str]:
    """Every statement once: those for the whole server first, then database by database."""
    yield from (f"{one.statement};" for one in grants if not one.use)
    for use in dict.fromkeys(one.use for one in grants if one.use):
        inside = [one for one in grants if one.use == use]
        users = [one.user for one in inside if one.user]
        yield f"{use};"
        yield from (f"{line};" for line in dict.fromkeys([*users, *(one.statement for one in inside)]))
