"""All statements of a section as people read them before a visit: in the plan and the access request."""

from __future__ import annotations

from collections.abc import Iterator

from checkup.api import Sql, SqlVariant


def shown(sql: Sql) -> str:
    """The variants in their order, each with what it is for. The first that fits is sent."""
    texts = [f"{_heading(variant)}\n{variant.text.strip()}" for variant in sql.variants]
    if sql.canary:
        texts.append(f"-- whether rows were left out\n{sql.canary.strip()}")
    return "\n\n".join(texts)


def _heading(variant: SqlVariant) -> str:
    return "-- " + ("; ".join(_conditions(variant)) or "every version")


def _conditions(variant: SqlVariant) -> Iterator[str]:
    if variant.since:
        yield f"since {_dotted(variant.since)}"
    if variant.before:
        yield f"before {_dotted(variant.before)}"
    if variant.editions:
        yield f"editions {', '.join(variant.editions)}"
    if variant.needs:
        yield f"where there is {', '.join(variant.needs)}"
    if variant.rights:
        yield f"needs {', '.join(variant.rights)}"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
