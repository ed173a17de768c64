"""Recorded facts as tests: each JSON file below `<folder>/<probe id>/` is one.

    {"about": "a full root volume, Debian 12",
     "sections": {"volumes": {"source": "posix", "version": 1, "quality": "ok", "raw": ["a line"]}},
     "target": {"role": "database-server", "declare": {"services": ["cron"]}},
     "levels": {"full": 0.95},
     "now": "2026-11-20T10:00:00Z",
     "history": {"used_bytes": {"/": [["2026-05-01T10:00:00Z", 123]]}},
     "previous_at": "2026-05-20T10:00:00Z", "previous": {"volumes": {...}},
     "expect": [{"outcome": "finding", "item": "/", "message": "full", "impact": "major", "when": "now",
                 "evidence": {"used": 0.95}}]}

Text of a shell may be given as a list of lines; raw data of Windows (sources `windows` and `cim`) is an
object, and so is that of an Access file (source `access`): parts of its reading by name, and of a SQL engine:
`{"rows": [{"database": "ledger", ...}]}`, with `"server": "16.0.4135.4 express up 3 days"` (sql_samples.py)
where it matters who answered. Samples of a busy hour (source `sampled`) are
`{"source": "sqlserver", "from": "2026-11-20T10:00:00Z", "every_s": 60, "samples": [{"rows": [...]}, ...]}`,
each as the section that was sampled has it. `source`, `version`
and `quality` may be left out (posix, 1, ok), and so may `collected_at` (it is `now`). At site scope `targets`
holds `sections` and `target` by target id. `"windows": "7"` beside `sections` says which Windows the raw data
is of, one of OLD_WINDOWS or NEW_WINDOWS: every section with a collector for Windows needs a sample of each.
Everything in `expect` is compared as far as it is given; results that it does not name are a difference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast, get_args

from checkup.api import JSON, ErrorClass, Impact, Point, Quality, Source, Target, When
from checkup.assessment import ItemResult, Outcome
from checkup.testing.sql_samples import SQL_SOURCES, completed, completed_series

# Before and since Windows 10: other classes, other properties, PowerShell 2.0 or 5.1.
OLD_WINDOWS = frozenset({"7", "2008r2", "8.1", "2012r2"})
NEW_WINDOWS = frozenset({"10", "11", "2016", "2019", "2022", "2025"})
WINDOWS_SOURCES = ("windows", "cim")
OBJECT_SOURCES = (*WINDOWS_SOURCES, "access", *SQL_SOURCES, "sampled")


class SampleError(ValueError):
    """A sample that cannot be read; says which file and which key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleSection:
    source: str = "posix"
    version: int = 1
    quality: Quality = Quality.OK
    raw: JSON = None
    reason: str = ""
    error: ErrorClass | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleTarget:
    target: Target
    sections: Mapping[str, SampleSection]
    previous: Mapping[str, SampleSection] = field(default_factory=dict[str, SampleSection])
    windows: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """One expected result; None means "not compared"."""

    outcome: Outcome
    item: str = ""
    target: str | None = None
    message: str | None = None
    impact: Impact | None = None
    when: When | None = None
    function: str | None = None
    reason: str | None = None
    error: ErrorClass | None = None
    evidence: Mapping[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    path: Path
    about: str
    targets: tuple[SampleTarget, ...]
    now: datetime
    collected_at: datetime
    previous_at: datetime | None
    levels: Mapping[str, JSON]
    history: Mapping[str, Mapping[str, tuple[Point, ...]]]
    expect: tuple[Expected, ...]

    @property
    def outcomes(self) -> frozenset[Outcome]:
        return frozenset(expected.outcome for expected in self.expect)


# --- reading ----------------------------------------------------------------------------------

KEYS = frozenset(
    {"about", "sections", "target", "targets", "levels", "now", "collected_at", "previous_at", "history"}
    | {"previous", "expect", "windows"}
)


def sample_paths(folder: Path, probe_id: str) -> list[Path]:
    """The samples of one probe, in a stable order."""
    return sorted((folder / probe_id).glob("*.json"))


def load(path: Path) -> Sample:
    """Read one sample. Raises SampleError with the file and what is wrong in it."""
    try:
        data = cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        if unknown := sorted(set(data) - KEYS):
            raise ValueError(f"unknown key {', '.join(unknown)}")
        return _sample(path, data)
    except (ValueError, LookupError, TypeError, AttributeError) as problem:
        raise SampleError(
            f"{path}: cannot read this sample: {type(problem).__name__}: {problem}"
        ) from problem


def _sample(path: Path, data: Mapping[str, Any]) -> Sample:
    now = _instant(data["now"])
    previous_at = data.get("previous_at")
    per_target = cast(dict[str, dict[str, Any]], data.get("targets") or {"": data})
    return Sample(
        path=path,
        about=str(data["about"]),
        targets=tuple(_target(name, one, now) for name, one in per_target.items()),
        now=now,
        collected_at=_instant(data["collected_at"]) if "collected_at" in data else now,
        previous_at=_instant(previous_at) if previous_at else None,
        levels=data.get("levels", {}),
        history={
            metric: {item: tuple(Point(_instant(at), float(value)) for at, value in points)}
            for metric, items in data.get("history", {}).items()
            for item, points in items.items()
        },
        expect=tuple(_expected(one) for one in data["expect"]),
    )


def _target(name: str, data: Mapping[str, Any], now: datetime) -> SampleTarget:
    described = dict(data.get("target", {}))
    declare = {key: _declared(value) for key, value in described.pop("declare", {}).items()}
    tags = tuple(described.pop("tags", ()))
    sections = {key: _section(key, one, now) for key, one in data.get("sections", {}).items()}
    windows = str(data.get("windows", ""))
    if windows and windows not in OLD_WINDOWS | NEW_WINDOWS:
        raise ValueError(f"windows: {windows} is none of {', '.join(sorted(OLD_WINDOWS | NEW_WINDOWS))}")
    if windows or any(one.source in WINDOWS_SOURCES for one in sections.values()):
        described.setdefault("platform", "windows")
    return SampleTarget(
        target=Target(id=described.pop("id", name or "srv-1"), declare=declare, tags=tags, **described),
        sections=sections,
        previous={key: _section(key, one, now) for key, one in data.get("previous", {}).items()},
        windows=windows,
    )


def _declared(value: Any) -> int | str | tuple[str, ...]:
    return tuple(str(one) for one in cast(list[object], value)) if isinstance(value, list) else value


def _section(name: str, data: Mapping[str, Any], now: datetime) -> SampleSection:
    given = dict(data)
    raw: Any = given.pop("raw", None)
    source = given.get("source", "posix")
    if source not in get_args(Source):
        raise ValueError(f"{name}: source {source} is none of {', '.join(get_args(Source))}")
    if source in OBJECT_SOURCES and not isinstance(raw, dict | None):
        raise ValueError(f"{name}: raw data of {source} is an object, not {type(cast(object, raw)).__name__}")
    if source in SQL_SOURCES:
        raw = completed(source, raw, now)
    if source == "sampled":
        raw = completed_series(raw)
    if source == "posix" and isinstance(raw, list):
        raw = "".join(f"{line}\n" for line in cast(list[str], raw))
    quality = Quality(given.pop("quality", "ok"))
    error = given.pop("error", None)
    return SampleSection(
        raw=cast(JSON, raw), quality=quality, error=ErrorClass(error) if error else None, **given
    )


def _expected(data: Mapping[str, Any]) -> Expected:
    given = dict(data)
    typed: dict[str, Any] = {"outcome": Outcome(given.pop("outcome"))}
    for key, kind in (("impact", Impact), ("when", When), ("error", ErrorClass)):
        if key in given:
            typed[key] = kind(given.pop(key))
    return Expected(**typed, **given)


def _instant(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(f"{text} has no time zone: end it in Z")
    return value


# --- comparing --------------------------------------------------------------------------------


def differences(expect: Sequence[Expected], results: Iterable[ItemResult]) -> list[str]:
    """What differs between the results of a probe and what its sample expects; empty when nothing does."""
    left = list(results)
    found: list[str] = []
    for expected in expect:
        same = [r for r in left if _same_item(expected, r)]
        if not same:
            found.append(f"expected {_name(expected)}, but there is no result for it")
            continue
        left.remove(same[0])
        found += [f"{_name(expected)}: {text}" for text in _compare(expected, same[0])]
    found += [
        f"unexpected result: {_name(result)} {result.message or result.reason}".rstrip() for result in left
    ]
    return found


def _same_item(expected: Expected, result: ItemResult) -> bool:
    return expected.item == result.item and expected.target in (None, result.target)


def _name(one: Expected | ItemResult) -> str:
    return f"{one.outcome.value} for {one.item!r}" + (f" on {one.target}" if one.target else "")


def _compare(expected: Expected, result: ItemResult) -> Iterable[str]:
    for key in ("outcome", "message", "impact", "when", "function", "reason", "error"):
        wanted, got = getattr(expected, key), getattr(result, key)
        if wanted is not None and wanted != got:
            why = f" ({result.reason})" if key == "outcome" and result.reason else ""
            yield f"{key} should be {wanted!s}, is {got!s}{why}"
    for name, wanted in expected.evidence.items():
        if name not in result.evidence:
            yield f"evidence {name} is missing"
        elif not _same_value(wanted, result.evidence[name].value):
            yield f"evidence {name} should be {wanted}, is {result.evidence[name].value}"


def _same_value(wanted: JSON, got: object) -> bool:
    """Numbers to three digits: a sample is written by hand, and a share has no end."""
    if isinstance(got, datetime):
        return isinstance(wanted, str) and _instant(wanted) == got
    if isinstance(got, date):
        return wanted == got.isoformat()
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return math.isclose(wanted, got, rel_tol=5e-4, abs_tol=1e-9)
    return wanted == got
