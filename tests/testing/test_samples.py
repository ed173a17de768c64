from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from checkup.api import Context, Finding, Impact, Number, Passed, Probe, Ratio, Result
from checkup.assessment import ItemResult, Outcome
from checkup.testing.contract import problems, samples_without_probe
from checkup.testing.samples import Expected, SampleError, differences, load

SAMPLE: dict[str, Any] = {
    "about": "one",
    "sections": {"volumes": {"raw": ["a", "b"]}},
    "target": {"role": "server", "declare": {"services": ["cron"]}},
    "now": "2026-11-20T10:00:00Z",
    "history": {"used": {"/": [["2026-05-01T00:00:00Z", 1]]}},
    "expect": [{"outcome": "finding", "item": "/", "impact": "major", "evidence": {"used": 0.95}}],
}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "one.json"
    path.write_text(json.dumps(SAMPLE | changes), encoding="utf-8")
    return path


def test_a_sample_reads_with_its_defaults(tmp_path: Path) -> None:
    sample = load(write(tmp_path))
    (target,) = sample.targets
    assert target.sections["volumes"].raw == "a\nb\n"
    assert target.target.declare == {"services": ("cron",)}
    assert sample.collected_at == sample.now == datetime(2026, 11, 20, 10, tzinfo=UTC)


def test_a_sample_of_windows_has_its_platform(tmp_path: Path) -> None:
    raw = {"Win32_LogicalDisk": [{"Size": 1}]}
    (one,) = load(
        write(tmp_path, windows="2008r2", sections={"volumes": {"source": "windows", "raw": raw}})
    ).targets
    assert (one.windows, one.target.platform, one.sections["volumes"].raw) == ("2008r2", "windows", raw)


@pytest.mark.parametrize(
    "changes",
    [
        {"now": "2026-11-20T10:00:00"},
        {"expects": []},
        {"expect": [{"outcome": "fine"}]},
        {"expect": [{"outcome": "finding", "impact": "huge"}]},
        {"sections": {"volumes": {"quality": "good"}}},
        {"sections": {"volumes": {"rwa": "x"}}},
        {"target": {"name": "x"}},
        {"windows": "XP"},
        {"sections": {"volumes": {"source": "dos"}}},
        {"sections": {"volumes": {"source": "windows", "raw": ["a line"]}}},
        {"sections": {"volumes": {"source": "cim", "raw": "a line"}}},
    ],
)
def test_what_is_wrong_in_a_sample_is_said_with_its_file(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(SampleError, match=r"one\.json: cannot read this sample: .+"):
        load(write(tmp_path, **changes))


def result(**given: Any) -> ItemResult:
    return ItemResult(
        **({"probe": "a.b", "target": "srv-1", "item": "/", "outcome": Outcome.FINDING} | given)
    )


WANTED = Expected(outcome=Outcome.FINDING, item="/", message="full", evidence={"used": 0.95})


def test_equal_results_have_no_differences() -> None:
    got = result(message="full", evidence={"used": Ratio(0.950001), "free": Number(1)})
    assert differences([WANTED], [got]) == []


@pytest.mark.parametrize(
    ("got", "difference"),
    [
        ([], "there is no result for it"),
        ([result(message="tight", evidence={"used": Ratio(0.95)})], "message should be full, is tight"),
        ([result(message="full", evidence={"used": Ratio(0.9)})], "evidence used should be 0.95, is 0.9"),
        ([result(message="full")], "evidence used is missing"),
        (
            [result(outcome=Outcome.PASSED, evidence={"used": Ratio(0.95)})],
            "outcome should be finding, is passed",
        ),
        (
            [
                result(message="full", evidence={"used": Ratio(0.95)}),
                result(item="/srv", outcome=Outcome.PASSED),
            ],
            "unexpected result: passed for '/srv' on srv-1",
        ),
    ],
)
def test_each_difference_is_named(got: list[ItemResult], difference: str) -> None:
    assert difference in "\n".join(differences([WANTED], got))


@dataclass(frozen=True)
class Bad:
    level: None = None


def check(facts: str, levels: Any, ctx: Context) -> Iterator[Result]:
    yield Passed()
    yield Finding(impact=Impact.NOTE, message="x")


def test_a_bad_probe_breaks_its_contract_in_every_point(tmp_path: Path) -> None:
    probe = Probe(
        id="Host",
        title="Checks the disks.",
        check=check,
        messages={"a": "{used:.1f}", "b": "{used.value}", "c": "{", "d": "{}"},
        why="",
        remedy="x" * 401,
        verify=" ",
        levels=Bad(),
        visits=frozenset(),
    )
    found = "\n".join(problems(probe, tmp_path))
    for text in (
        "the id should be dotted",
        "the title should state the good state",
        "why is empty",
        "remedy has 401 characters",
        "verify is empty",
        "message 'a' may only hold",
        "message 'b' may only hold",
        "message 'c'",
        "message 'd' may only hold",
        "level level should be",
        "it belongs to no visit",
        "expects 'passed'",
        "expects 'finding'",
        "expects 'not checked'",
    ):
        assert text in found


def test_samples_of_a_probe_that_is_gone_are_named(tmp_path: Path) -> None:
    (tmp_path / "host.gone").mkdir()
    (tmp_path / "host.here").mkdir()
    assert samples_without_probe(tmp_path, {"host.here"}) == ["host.gone"]
