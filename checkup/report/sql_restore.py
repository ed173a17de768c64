"""The back-up story of a SQL instance: could you restore, to when, from where, and how long would it take?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkup.api import Duration, Instant, Text
from checkup.assessment import ItemResult, Outcome
from checkup.report.findings import in_order, waived
from checkup.report.model import RestoreRow
from checkup.report.target_results import UNKNOWN, TargetResults
from checkup.report.text import and_so_on, clean, count, duration_text

STORY, TESTED = "restore-story", "restore-test"
DAY_S = 86_400.0
MOST_NAMED = 4

_DATA_DISK = "disk of the data"
# What probes call the place of the last full back-up.
_PLACES: Mapping[str, str] = {
    _DATA_DISK: "the same disk as the data",
    "other disk": "another disk of the server",
    "disk that is not known": "a disk of the server; which, is not known",
    "share": "a share of another machine",
    "url": "cloud storage",
    "virtual device": "another back-up product",
    "snapshot": "a snapshot of the machine",
    "tape": "tape",
    "nothing": "nowhere: it was written to nothing",
    "nowhere": "nowhere",
}
# Engines that do not record back-ups: the check that comes nearest, and what its outcomes mean.
_NEAREST: Mapping[str, tuple[str, Mapping[Outcome, str]]] = {
    "postgresql": (
        "backup-evidence",
        {
            Outcome.PASSED: "its log is handed to a back-up",
            Outcome.FINDING: "its back-ups need attention",
            Outcome.NOT_APPLICABLE: "another server makes its back-ups",
        },
    ),
    "mariadb": (
        "binary-log",
        {
            Outcome.PASSED: "changes since the last back-up are kept",
            Outcome.FINDING: "changes since the last back-up are not kept",
        },
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Restore:
    """`clause` goes into the headline, `short` and `style` ("ok", "bad", "warn", "plain") into figure and
    overview; `label` says what the number `short` counts."""

    clause: str
    short: str
    label: str
    style: str
    text: str
    rows: tuple[RestoreRow, ...]
    note: str


def restore_of(instance: TargetResults) -> Restore:
    told = [r for r in instance.of(STORY) if r.item and r.outcome is not Outcome.NOT_APPLICABLE]
    if told:
        return _story(instance, told)
    if instance.area in _NEAREST:
        return _without_record(instance)
    why = instance.reason(STORY, Outcome.NOT_CHECKED) or instance.reason(STORY, Outcome.NOT_APPLICABLE)
    because = f": {why.rstrip('.')}" if why and "GRANT" not in why else ""
    return Restore(
        clause="whether its databases could be restored was not seen",
        short=UNKNOWN,
        label="databases that could be restored: not known",
        style="warn",
        text=f"Whether the databases could be restored was not seen{because}.",
        rows=(),
        note="",
    )


def _without_record(instance: TargetResults) -> Restore:
    check, words = _NEAREST[instance.area]
    outcome = instance.outcome(check)
    clause = words.get(outcome, "") if outcome else ""
    said = instance.said(check) or (instance.reason(check, Outcome.NOT_CHECKED) if outcome else "")
    style = {Outcome.PASSED: "plain", Outcome.FINDING: "bad"}.get(outcome, "warn") if outcome else "warn"
    return Restore(
        clause=clause or "whether it is backed up was not seen",
        short={"plain": "in part", "bad": "no"}.get(style, UNKNOWN),
        label="signs of back-ups on the server itself",
        style=style,
        text=(
            "This engine keeps no record of its back-ups. To when it could be restored, from where and how "
            f"long that takes is known only once it has been tried. {said}"
        ).strip(),
        rows=(),
        note="",
    )


# --- the story of SQL Server ------------------------------------------------------------------


def _story(instance: TargetResults, told: Sequence[ItemResult]) -> Restore:
    known = [one for one in told if one.outcome is not Outcome.NOT_CHECKED]
    good = [one for one in known if one.outcome is Outcome.PASSED or waived(one)]
    within = _within(told)
    clause = f"{_how_many(len(good), len(told))} could be restored to {within}"
    beside = [one for one in known if _text(one, "place") == _DATA_DISK]
    if good and beside and len(beside) == len(known):
        clause += ", as long as the disk of the data survives"
    style = "bad" if len(good) < len(known) else "warn" if len(known) < len(told) or beside else "plain"
    return Restore(
        clause=clause,
        short=f"{len(good)} of {len(told)}",
        label=f"databases could be restored to {within}",
        style=style,
        text=" ".join(_told(instance, told, within)),
        rows=tuple(_row(instance, one) for one in [*in_order(o for o in told if o not in good), *good]),
        note=(
            "To when: the newest moment that the recorded back-ups lead back to. How long: an estimate, "
            "twice what the last full back-up took, without finding and copying the files. Only a restore "
            "that was really made proves that back-ups are good."
        ),
    )


def _how_many(good: int, all_of_them: int) -> str:
    many = count(all_of_them, "database")
    if good == all_of_them:
        return f"all {many}" if good > 1 else "its database"
    return f"{good} of {many}" if good else f"none of its {many}"


def _within(told: Sequence[ItemResult]) -> str:
    limits = [value.value for one in told if isinstance(value := one.evidence.get("limit"), Duration)]
    if not limits:
        return "within a day"
    # The level leaves an hour for the nightly back-up itself.
    return "within a day" if DAY_S <= limits[0] <= 1.1 * DAY_S else f"within {duration_text(limits[0])}"


def _told(instance: TargetResults, told: Sequence[ItemResult], within: str) -> Iterator[str]:
    """The story in plain words."""
    known = [one for one in told if one.outcome is not Outcome.NOT_CHECKED]
    never = [one for one in known if "restorable_to" not in one.evidence]
    late = [one for one in known if one.outcome is Outcome.FINDING and one not in never]
    if known and not never and not late:
        yield f"If the server were lost now, every database could be brought back to {within}."
    for one in late:
        yield (
            f"If the server were lost now, the last {_shown(instance, one, 'lost')} of work in "
            f"{clean(one.item, 120)} would be lost."
        )
    if never:
        yield f"{_names(never)} could not be brought back at all from what is recorded here."
    beside = [one for one in known if _text(one, "place") == _DATA_DISK]
    if beside:
        which = "All back-ups lie" if len(beside) == len(known) else f"The back-ups of {_names(beside)} lie"
        yield f"{which} on the disk that also holds the data: what destroys that disk takes both."
    seconds = [
        value.value for one in known if isinstance(value := one.evidence.get("restore_estimate"), Duration)
    ]
    if len(seconds) > 1:
        yield f"Bringing all of them back, one after the other, takes about {duration_text(sum(seconds))}."
    yield _tried(instance, known)


def _tried(instance: TargetResults, known: Sequence[ItemResult]) -> str:
    restored = [
        value.value for one in known if isinstance(value := one.evidence.get("last_restore"), Instant)
    ]
    if restored:
        return f"A restore was last made on {instance.printer.formats.date(max(restored))}."
    if any("last_restore" in one.evidence for one in known):
        return "That it works was never tried here: no restore is on record."
    return "Whether a restore was ever tried could not be seen."


def _row(instance: TargetResults, one: ItemResult) -> RestoreRow:
    answer, style = _answer(one)
    restorable = "restorable_to" in one.evidence
    place = _text(one, "place")
    if one.outcome is Outcome.NOT_CHECKED:
        place = ""
    return RestoreRow(
        database=clean(one.item, 120),
        answer=answer,
        style=style,
        until=_shown(instance, one, "restorable_to"),
        lost=_shown(instance, one, "lost"),
        place=_PLACES.get(place, clean(place, 60)),
        takes=_shown(instance, one, "restore_estimate") if restorable else "",
        tried=_tried_of(instance, one),
    )


def _answer(one: ItemResult) -> tuple[str, str]:
    if one.outcome is Outcome.PASSED:
        return "Yes", "ok"
    if one.outcome is Outcome.NOT_CHECKED:
        return "Not known", "warn"
    answer = "Not all of it" if "restorable_to" in one.evidence else "No"
    return (f"{answer} (accepted)", "mute") if waived(one) else (answer, "bad")


def _tried_of(instance: TargetResults, one: ItemResult) -> str:
    match one.evidence.get("last_restore"):
        case Instant(value):
            return instance.printer.formats.date(value)
        case None:
            return ""
        case _:
            return "never"


def _shown(instance: TargetResults, one: ItemResult, name: str) -> str:
    value = one.evidence.get(name)
    return instance.printer.formats.value(value) if value is not None else ""


def _text(one: ItemResult, name: str) -> str:
    value = one.evidence.get(name)
    return value.value if isinstance(value, Text) else ""


def _names(results: Sequence[ItemResult]) -> str:
    return and_so_on([clean(one.item, 120) for one in results], MOST_NAMED)
