"""An Access file of a site: settled when it is open, within its budget, cut into what was asked for."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import pytest

from checkup.access_depth import Look
from checkup.api import AccessFile, Depth, Quality
from checkup.collect import access_target
from checkup.collect.access_target import OpenedFile, ReadFile, read_file, reading_text
from checkup.plan import EndpointPlan
from checkup.transports.session import ConnectionFacts
from tests.jet.made import BytesSource
from tests.jet.sound import sound_file

SOUNDNESS = AccessFile(("integrity",), depth="maps")
SPACE = AccessFile(("maps",), depth="maps")
DIGESTS = AccessFile(("integrity",), depth="pages")


def planned(look: Look | None) -> EndpointPlan:
    return EndpointPlan(
        site="cedar-ridge",
        endpoint="ledger",
        transport="sftp",
        platform="access",
        opted_out="",
        targets=("ledger",),
        sections=(),
        look=look,
    )


def look(wanted: Depth, *, over_link: bool = True, most_s: int | None = None) -> Look:
    return Look(wanted=wanted, because="a test asks for it", over_link=over_link, most_s=most_s)


def read(of: Look | None, *collectors: AccessFile) -> ReadFile:
    @contextmanager
    def opened(plan: EndpointPlan, facts: ConnectionFacts) -> Generator[OpenedFile]:
        yield OpenedFile(BytesSource(sound_file().data()), None)

    facts = ConnectionFacts(transport="sftp")
    return read_file(opened, planned(of), facts, collectors or (SOUNDNESS, SPACE))


def test_a_look_that_would_take_too_long_costs_what_needs_it_and_nothing_else():
    made = read(look("pages", most_s=0))
    assert made.reading.depth == "maps" and made.left == ("pages",)
    soundness = made.cut(SOUNDNESS)
    assert soundness.quality is Quality.OK and isinstance(soundness.raw, dict)
    integrity = soundness.raw["integrity"]
    assert isinstance(integrity, dict)
    assert integrity["complete"] is False and integrity["depth"] == "maps"
    assert integrity["left_out"] == [{"part": "pages", "detail": made.why}]
    assert made.cut(SPACE).quality is Quality.OK
    digests = made.cut(DIGESTS)
    assert digests.quality is Quality.UNREACHABLE
    assert "to the depth 'pages', which would take about" in digests.reason


def test_a_look_that_is_in_time_is_whole():
    made = read(look("rows", most_s=60))
    integrity = made.parts["integrity"]
    assert isinstance(integrity, dict) and integrity["complete"] is True
    assert (integrity["depth"], integrity["left_out"], made.left) == ("rows", [], ())


@pytest.mark.parametrize("depth", ["maps", "rows"])
def test_the_budget_is_that_of_the_depth_and_of_links_only(monkeypatch: pytest.MonkeyPatch, depth: Depth):
    asked: list[tuple[Depth, int]] = []

    def little(of: Depth, size_bytes: int) -> int:
        asked.append((of, size_bytes))
        return 15_000

    monkeypatch.setattr(access_target, "budget_bytes", little)
    size = len(sound_file().data())
    over_link = read(look(depth))
    assert over_link.reading.left_out and over_link.cut(SOUNDNESS).quality is not Quality.OK
    assert asked == [(depth, size if depth == "rows" else 0)]  # no round trip for a size that decides nothing
    here = read(look(depth, over_link=False))
    assert not here.reading.left_out and len(asked) == 1


def test_a_plan_from_before_looks_were_planned_reads_no_rows():
    assert read(None, SOUNDNESS, DIGESTS).reading.depth == "maps"
    assert "no page of anyone's rows" in reading_text(planned(None), (SOUNDNESS, DIGESTS))


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (look("maps"), "these pages cross the link: the lock file"),
        (look("index"), "all index pages, which repeat the values"),
        (look("rows", most_s=900), "or less, where its size makes that longer than 900 s"),
        (
            look("rows", over_link=False),
            "these pages are read, and cross no link: the lock file and every page",
        ),
    ],
)
def test_the_ledger_says_which_pages_cross_the_link(of: Look, said: str):
    text = reading_text(planned(of), (SOUNDNESS,))
    assert said in text and f"to the depth {of.wanted}" in text
