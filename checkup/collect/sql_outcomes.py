"""What one section gets of a SQL instance's answers: rows, or why there are none, from all its databases."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from checkup.api import JSON, ErrorClass, Quality, Sql
from checkup.clean import REASON_LENGTH, clean_line
from checkup.sql.batching import CANARY, Answer, Ask, Doubt, Failure
from checkup.sql.engine import Instance
from checkup.sql.errors import Refusal
from checkup.sql.gate import Chosen, filtered, statement_refused
from checkup.sql.values import ColumnsDiffer, raw_rows

MOST_ROWS = 50_000  # of one section, from all databases together


@dataclass(frozen=True, kw_only=True)
class SectionOutcome:
    name: str
    quality: Quality
    raw: JSON = None
    reason: str = ""
    error: ErrorClass | None = None
    milliseconds: int | None = None

    @property
    def size(self) -> int:
        return len(json.dumps(self.raw)) if self.raw is not None else 0


def refused(name: str, why: Refusal) -> SectionOutcome:
    return SectionOutcome(name=name, quality=why.quality, reason=why.reason, error=why.error)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One section that is asked for."""

    name: str
    sql: Sql
    chosen: Chosen

    def asks(self) -> list[Ask]:
        sql = self.sql
        text = self.chosen.variant.text
        asked = [Ask(name=self.name, text=text, timeout_s=sql.timeout_s, most_rows=sql.most_rows)]
        if sql.canary:
            asked.append(Ask(name=self.name + CANARY, text=sql.canary, timeout_s=sql.timeout_s, most_rows=1))
        return asked


def rows_of(
    instance: Instance, one: Wanted, found: Answer | Refusal, canary: Answer | Refusal | None
) -> tuple[list[dict[str, JSON]], bool] | Refusal:
    """A section's rows from one place, and whether there were more of them."""
    for answer in (found, canary):
        if isinstance(answer, Refusal):
            return answer
        if isinstance(answer, Doubt):
            return bad_output(answer.reason)
        if isinstance(answer, Failure):
            return statement_refused(instance, one.chosen.variant, answer)
    if one.sql.canary:
        left_out = None if canary is None else _number(canary)
        if left_out is None:
            return bad_output("whether rows were left out could not be told")
        if left_out:
            return filtered(instance, one.chosen.variant, left_out)
    assert not isinstance(found, Refusal | Failure | Doubt)
    try:
        rows = raw_rows(found, one.sql, instance.utc_offset_minutes)
    except ColumnsDiffer as error:
        return bad_output(str(error))
    except ValueError:
        return bad_output("a moment among its values cannot be read")
    return rows, found.truncated or len(found.rows) > one.sql.most_rows


@dataclass(eq=False)
class Gathered:
    """One section's rows from all databases."""

    wanted: Wanted
    rows: list[dict[str, JSON]] = field(default_factory=list[dict[str, JSON]])
    missing: dict[str, JSON] = field(default_factory=dict[str, JSON])
    cut: bool = False

    def add(self, database: str, made: tuple[list[dict[str, JSON]], bool] | Refusal) -> None:
        if isinstance(made, Refusal):
            self.lacks(database, made)
            return
        rows, cut = made
        room = MOST_ROWS - len(self.rows)
        self.rows += rows[:room]
        self.cut = self.cut or cut or len(rows) > room

    def lacks(self, database: str, why: Refusal) -> None:
        error = why.error or ErrorClass.BAD_OUTPUT
        self.missing[database] = {"reason": clean_line(why.reason, REASON_LENGTH), "error": error.value}

    def outcome(self, instance: Instance) -> SectionOutcome:
        return complete(instance, self.wanted, self.rows, self.missing, self.cut, None)


def complete(
    instance: Instance,
    one: Wanted,
    rows: list[dict[str, JSON]],
    missing: Mapping[str, JSON],
    cut: bool,
    milliseconds: int | None,
) -> SectionOutcome:
    raw: dict[str, JSON] = {"server": instance.as_json(), "variant": one.chosen.number}
    raw["rows"] = list(rows)
    if missing:
        raw["missing"] = dict(missing)
    where = " of a database" if one.sql.scope == "database" else ""
    return SectionOutcome(
        name=one.name,
        quality=Quality.PARTIAL if cut else Quality.OK,
        raw=raw,
        reason=f"there were more rows than the {one.sql.most_rows}{where} that are read" if cut else "",
        milliseconds=milliseconds,
    )


def _number(answer: Answer | Refusal) -> int | None:
    """The one number of a canary's one row."""
    if isinstance(answer, Refusal | Failure | Doubt) or not answer.rows or not answer.rows[0]:
        return None
    value = answer.rows[0][0]
    return int(value) if isinstance(value, int | float) else None


def bad_output(reason: str) -> Refusal:
    return Refusal(quality=Quality.BAD_OUTPUT, error=ErrorClass.BAD_OUTPUT, reason=reason)
