"""Whether an Access file is sound, in plain words: what was looked at, what was not, what follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from checkup.api import Depth, Impact
from checkup.assessment import ItemResult, Outcome
from checkup.report.model import Pair
from checkup.report.target_results import TargetResults
from checkup.report.text import clean, count

INTEGRITY, UNFINISHED, COMPACTION, LOST = (
    "integrity",
    "commit-words",
    "compaction-safe",
    "lost-by-compaction",
)
DEPTHS: tuple[Depth, ...] = get_args(Depth)
MOST_PLACES = 6

_STRUCTURE = "the list of what the file holds, the definitions of all tables"
_MAPS = f"{_STRUCTURE}, and the maps that say whose every page is"
_VALUES = "These hold patients' values and are read over a network only with your consent."

# What each depth has looked at, and what it leaves.
LOOKED: Mapping[Depth, str] = {
    "header": "The first page of the file.",
    "catalogue": f"The first page, {_STRUCTURE}.",
    "maps": f"The first page, {_MAPS}.",
    "sample": f"The first page, {_MAPS}; of the pages of records and indexes a random sample.",
    "index": f"The first page, {_MAPS}; every page of every index.",
    "pages": f"The first page, {_MAPS}; every page of the file by itself.",
    "rows": f"The first page, {_MAPS}; every page, every record, every long text, every entry of an index.",
}
LEFT: Mapping[Depth, str] = {
    "header": "Everything else: tables, maps, records, indexes.",
    "catalogue": f"How the pages are used, and the pages of records and indexes. {_VALUES}",
    "maps": f"The pages of the records and of the indexes themselves. {_VALUES}",
    "sample": f"The other pages of records and indexes. {_VALUES}",
    "index": f"The pages of the records. {_VALUES}",
    "pages": "Whether the entries of the indexes lead to their records, and the records to their long texts.",
    "rows": "Nothing: this is the deepest look there is.",
}


@dataclass(frozen=True, slots=True)
class Soundness:
    """`clause` goes into the headline; `short` and `style` ("ok", "bad", "warn") into the overview."""

    clause: str
    short: str
    style: str
    verdict: str


def damages(file: TargetResults) -> list[ItemResult]:
    """Faults that matter: traces that do no harm are none."""
    return [result for result in file.findings(INTEGRITY) if result.impact is not Impact.NOTE]


def depth_of(file: TargetResults) -> Depth | None:
    place = file.metric(INTEGRITY, "depth")
    known = place is not None and 0 <= place < len(DEPTHS)
    return DEPTHS[int(place)] if place is not None and known else None


def soundness_of(file: TargetResults) -> Soundness:
    hurt = damages(file)
    if hurt:
        places = [clean(result.item, 120) for result in hurt]
        more = f" and {len(places) - MOST_PLACES} more" if len(places) > MOST_PLACES else ""
        said = f"Damaged in {count(len(places), 'place')}: {', '.join(places[:MOST_PLACES])}{more}"
        return Soundness("the file is damaged", "damaged", "bad", f"{said}{file.pointer(INTEGRITY)}.")
    if file.open(COMPACTION):
        said = f"One fault, in the list of what the file holds{file.pointer(COMPACTION)}."
        return Soundness("the next compaction would lose tables", "would lose tables", "bad", said)
    if file.open(UNFINISHED):
        said = f"No damage was found, but a write was left unfinished{file.pointer(UNFINISHED)}."
        return Soundness("a write to the file was left unfinished", "write unfinished", "warn", said)
    unknown = file.reason(INTEGRITY, Outcome.NOT_CHECKED).rstrip(".")
    depth = depth_of(file)
    if depth is None or depth == "header":
        return Soundness(
            "whether the file is sound is not known",
            "not known",
            "warn",
            f"Not known: {unknown or 'nothing could be read'}.",
        )
    if unknown:
        said = f"No fault was found, but not everything could be judged: {unknown}."
        return Soundness("no fault was found in what could be judged", "no fault, in part", "warn", said)
    said = "Sound as far as it was looked into: no fault was found."
    return Soundness("the file is sound as far as it was looked into", "sound, as far as seen", "ok", said)


def soundness_facts(file: TargetResults, found: Soundness) -> Iterator[Pair]:
    yield "Verdict", found.verdict
    depth = depth_of(file)
    if depth is not None:
        yield "Looked at", LOOKED[depth]
        yield "Not looked at", LEFT[depth]
    yield "Unfinished writes", _plain(file, UNFINISHED, "No mark of one.")
    yield "Next compaction", _plain(file, COMPACTION, "Would keep every table.")
    yield (
        "Earlier losses",
        _plain(file, LOST, "None: no compaction or import has left a list of what it could not take over."),
    )


def _plain(file: TargetResults, check: str, good: str) -> str:
    """What a check says, in one sentence; `good` where it passed."""
    match file.outcome(check):
        case Outcome.PASSED:
            return good
        case Outcome.FINDING:
            return file.said(check)
        case Outcome.NOT_CHECKED:
            return f"Not known: {_reason(file, check, Outcome.NOT_CHECKED)}."
        case Outcome.NOT_APPLICABLE:
            return f"Does not apply: {_reason(file, check, Outcome.NOT_APPLICABLE)}."
        case None:
            return "Not looked at on this visit."


def _reason(file: TargetResults, check: str, outcome: Outcome) -> str:
    return file.reason(check, outcome).rstrip(".") or "no reason given"


def warning_of(file: TargetResults) -> str:
    """What to know before anyone compacts the file; "" where nothing speaks against it."""
    first = before_compaction(file)
    if first:
        return f"Do not compact this file before {first}: compaction could leave records behind for good."
    if file.outcome(COMPACTION) is Outcome.NOT_CHECKED and file.open("reclaimable"):
        return (
            "Whether the next compaction would keep every table could not be told: keep the file as it was, "
            "and compare tables and numbers of records before the new one is used."
        )
    return ""


def before_compaction(file: TargetResults) -> str:
    """What must be settled before anyone compacts the file; "" where nothing speaks against it."""
    reasons = [check for check in (COMPACTION, INTEGRITY) if _forbids(file, check)]
    cards = list(dict.fromkeys(card.number for check in reasons if (card := file.reference(check))))
    if cards:
        return f"{' and '.join(cards)} {'is' if len(cards) == 1 else 'are'} settled"
    return "its damage is settled" if reasons else ""


def _forbids(file: TargetResults, check: str) -> bool:
    return bool(damages(file)) if check == INTEGRITY else bool(file.findings(check))
