"""What comes of a look: how good the facts are, what a check yields, and one value against its levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from checkup.api.values import Measured, Value


class Quality(StrEnum):
    """How good one section's facts are. A probe may say `Passed` only on `OK`."""

    OK = "ok"
    PARTIAL = "partial"
    DENIED = "denied"
    FILTERED = "filtered"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"
    ABSENT = "absent"
    BAD_OUTPUT = "bad_output"
    UNREACHABLE = "unreachable"


class ErrorClass(StrEnum):
    """Why something could not be examined. Stable: report, exit status and JSON use these words."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    HOST_KEY = "host_key"
    IDENTITY = "identity"
    AUTH = "auth"
    DENIED = "denied"
    DISABLED = "disabled"
    QUOTA = "quota"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    BLOCKED_BY_AV = "blocked_by_av"
    CONSTRAINED = "constrained"
    BAD_OUTPUT = "bad_output"
    UNSUPPORTED = "unsupported"
    PROTOCOL = "protocol"
    OPTED_OUT = "opted_out"


# --- results ----------------------------------------------------------------------------------


class Impact(StrEnum):
    """What the client loses. The priority is made from it elsewhere, never by a probe."""

    DOWN = "down"
    MAJOR = "major"
    LIMITED = "limited"
    NOTE = "note"


class When(StrEnum):
    NOW = "now"
    BEFORE_NEXT_VISIT = "before-next-visit"
    LATER = "later"


class Worse(StrEnum):
    """The direction in which a measured value gets worse."""

    HIGHER = "higher"
    LOWER = "lower"


RECOVERABILITY = "recoverability"
SUPPORTABILITY = "supportability"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something wrong or risky.

    `item` is a stable key within the target ("" for the target as a whole): the finding's identity
    is (site, target, probe, item), never its wording. `message` names one of the probe's message
    templates, filled from `evidence`. At site scope `targets` names the machines it is about.
    `function` is the major function hit; left empty, the
    functions of the site file that need this target are meant. `value` and `worse`, where given,
    decide whether a finding that persists got worse, and whether it outgrew its waiver.
    """

    impact: Impact
    message: str
    item: str = ""
    function: str = ""
    when: When = When.BEFORE_NEXT_VISIT
    evidence: Mapping[str, Value] = field(default_factory=dict[str, Value])
    value: Measured | None = None
    worse: Worse | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """Looked at, and as it should be. Only on facts of quality `OK`."""

    item: str = ""
    evidence: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, kw_only=True, slots=True)
class NotApplicable:
    """The question does not arise here; `reason` says why."""

    reason: str
    item: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotChecked:
    """The probe saw that it could not judge. The engine makes most of these, not the author."""

    reason: str
    item: str = ""
    error: ErrorClass | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A number worth remembering until the next visit. Not counted as a result.

    `limit` is the value at which something stops working, in the unit of the value; with it and
    three visits the report draws the trend.
    """

    name: str
    value: Measured
    item: str = ""
    limit: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """A table for the report, of a site-scope check that compares machines: a row for each machine.

    `rows` holds by target id one text for each column; the report marks what differs from the
    column's most frequent text. Not counted as a result.
    """

    name: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]


Result = Finding | Passed | NotApplicable | NotChecked | Metric | Matrix


# --- judging one value ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """At or beyond `limit` the impact is this. Give the worst step first."""

    limit: float
    impact: Impact
    when: When = When.BEFORE_NEXT_VISIT
    message: str = ""


def judge(
    metric: str,
    value: Measured,
    steps: Sequence[Step],
    *,
    worse: Worse,
    message: str,
    item: str = "",
    function: str = "",
    evidence: Mapping[str, Value] | None = None,
) -> Iterator[Result]:
    """One measured value against its levels: yields the metric, then a finding or a pass.

    The evidence gains the value under the metric's name and the limit that was crossed (or the
    first that was not) as `limit`, in the unit of the value.
    """
    yield Metric(name=metric, value=value, item=item)
    sign = 1 if worse is Worse.HIGHER else -1
    hit = next((step for step in steps if sign * value.value >= sign * step.limit), None)
    shown = {metric: value, **(evidence or {})}
    limit = hit.limit if hit else (steps[-1].limit if steps else None)
    if limit is not None:
        shown["limit"] = dataclasses.replace(value, value=type(value.value)(limit))
    if hit is None:
        yield Passed(item=item, evidence=shown)
        return
    yield Finding(
        impact=hit.impact,
        when=hit.when,
        message=hit.message or message,
        item=item,
        function=function,
        evidence=shown,
        value=value,
        worse=worse,
    )
