"""Which variant of a section's statement fits an instance and a login, or why none does.

The order: edition, version, objects, rights. What an edition or version does not have makes the check not
applicable; a right that lacks makes it not checked, with the statement that grants it. What beforehand nobody
could know is told by the answers: rows that were left out, a statement or a database that was refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from checkup.api import ErrorClass, Quality, Sql, SqlVariant
from checkup.sql.batching import Failure
from checkup.sql.engine import EngineName, Instance, Wants
from checkup.sql.errors import Refusal, refusal
from checkup.sql.rights import ENTERING, entering, grants_text, known, named_in

# Editions that have all that Enterprise has.
_LIKE_ENTERPRISE = frozenset({"developer", "evaluation", "enterprise"})

# Every login sees whether these are there. Of others, to lack a right may be to see nothing.
_SEEN_BY_ALL: dict[EngineName, tuple[str, ...]] = {
    "sqlserver": ("sys.", "master.sys."),
    "postgresql": ("pg_", "public.", "information_schema."),
    "mariadb": ("information_schema.",),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """`number` is the variant's place in its section."""

    number: int
    variant: SqlVariant


def wants_of(engine: EngineName, collectors: Iterable[Sql]) -> Wants:
    """What the greeting has to ask for these sections. A word that is no right of the engine is held by
    nobody, and is not asked for."""
    variants = [variant for sql in collectors for variant in sql.variants]
    return Wants(
        rights=tuple(sorted({right for one in variants for right in one.rights if known(engine, right)})),
        needs=tuple(sorted({need for one in variants for need in one.needs})),
    )


def choose(sql: Sql, instance: Instance) -> Chosen | Refusal:
    """The first variant that fits and is allowed, else the refusal of the one that came furthest."""
    refusals: list[tuple[int, Refusal]] = []
    for number, variant in enumerate(sql.variants):
        found = _refusal(sql, variant, instance)
        if found is None:
            return Chosen(number, variant)
        refusals.append(found)
    if not refusals:
        return Refusal(quality=Quality.UNSUPPORTED, reason="the section has no statement for this engine")
    return max(refusals, key=lambda one: one[0])[1]


def _refusal(sql: Sql, variant: SqlVariant, instance: Instance) -> tuple[int, Refusal] | None:
    """How far the variant came, and what stopped it."""
    what = f"{_TITLES[instance.engine]} {instance.version_text}"
    if not _has_edition(variant, instance.edition):
        return 0, Refusal(
            quality=Quality.ABSENT,
            reason=f"the edition {instance.edition or 'of this server'} has none of this",
        )
    if variant.since and instance.version < variant.since:
        since = ".".join(map(str, variant.since))
        return 1, _unsupported(f"{what} does not tell this; {since} and newer do")
    if variant.before and instance.version >= variant.before:
        return 1, _unsupported(f"this check is for older releases than {what}")
    missing = [need for need in variant.needs if need not in instance.objects]
    # Whether a database can be entered is said database by database: a user in it will do as well.
    wanted = _once_inside(variant.rights) if sql.scope == "database" else variant.rights
    lacking = _lacking(wanted, instance)
    hidden = [need for need in missing if not need.startswith(_SEEN_BY_ALL[instance.engine])]
    untold = [need for need in missing if need in instance.untold]
    if untold and not lacking:
        return 3, Refusal(
            quality=Quality.BAD_OUTPUT,
            error=ErrorClass.BAD_OUTPUT,
            reason=f"whether the server has {untold[0]} could not be told",
        )
    if missing and not untold and not (lacking and hidden == missing):
        return 2, _unsupported(f"{what} has no {missing[0]}")
    if lacking:
        return 3, Refusal(
            quality=Quality.DENIED, error=ErrorClass.DENIED, reason=grants_text(instance, lacking)
        )
    return None


_TITLES: dict[EngineName, str] = {
    "sqlserver": "SQL Server",
    "postgresql": "PostgreSQL",
    "mariadb": "the server's version",
}


def _has_edition(variant: SqlVariant, edition: str) -> bool:
    if not variant.editions:
        return True
    return edition in variant.editions or (
        edition in _LIKE_ENTERPRISE and not _LIKE_ENTERPRISE.isdisjoint(variant.editions)
    )


def _unsupported(reason: str) -> Refusal:
    return Refusal(quality=Quality.UNSUPPORTED, error=ErrorClass.UNSUPPORTED, reason=reason)


def _once_inside(rights: Iterable[str]) -> list[str]:
    """The rights but the one to be let in: it is of no more use where the login is in."""
    return [right for right in rights if right != ENTERING]


def _lacking(rights: Iterable[str], instance: Instance) -> list[str]:
    return [right for right in rights if right not in instance.rights]


# --- what only the answers tell -----------------------------------------------------------------


def filtered(instance: Instance, variant: SqlVariant, left_out: int) -> Refusal:
    """Rows were left out without a word."""
    rights = _once_inside(variant.rights)
    if not rights and instance.engine == "sqlserver":
        rights = ["VIEW ANY DEFINITION"]  # for want of which SQL Server leaves out what it lists
    rows = "row" if left_out == 1 else "rows"
    why = f"the server left {left_out} {rows} out without a word"
    if lacking := _lacking(rights, instance):
        why += f": {grants_text(instance, lacking)}"
    elif rights:
        why += f", though the login has {' and '.join(rights)}"
        if instance.engine == "sqlserver":
            why += "; see in sys.server_permissions and sys.database_permissions what is denied to it (DENY)"
    return Refusal(quality=Quality.FILTERED, error=ErrorClass.DENIED, reason=why)


def statement_refused(instance: Instance, variant: SqlVariant, failure: Failure) -> Refusal:
    """What an error means for a statement that was sent because its rights were thought to be held. Where one
    is missing all the same, the reason begins with what grants it; with all that it wants, where the server
    does not tell which."""
    why = refusal(instance.engine, failure)
    rights = _once_inside(variant.rights)
    if why.quality is not Quality.DENIED or not rights:
        return why
    missing = _lacking(rights, instance) or named_in(failure.text, rights) or rights
    return replace(why, reason=f"{grants_text(instance, missing)}; {why.reason}")


def database_refused(instance: Instance, database: str, failure: Failure) -> Refusal:
    """Why a database could not be entered which the server said the login may enter (HAS_DBACCESS)."""
    why = refusal(instance.engine, failure)
    if why.quality is not Quality.DENIED:
        return why
    return replace(why, reason=f"{entering(instance, database)}; {why.reason}")
