"""The back-up story of a SQL instance: could you restore, to when, from where, and how long would it take?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkup.api import Duration, Instant, Text
from checkup.assessment import ItemResult, Outcome
from checkup.report.findings import in_order, waived
from checkup.report.model import Pair, RestoreRow
from checkup.report.sql_blind_spots import grants_in
from checkup.report.target_results import UNKNOWN, TargetResults
from checkup.report.text import and_so_on, capital, clean, count, duration_text

STORY, TESTED = "restore-story", "restore-test"
DAY_S = 86_400.0
MOST_NAMED = 4
LACKS_RIGHT = "the check-up's login lacks a right, see the list of blind spots below"

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Restore:
    """`clause` goes into the headline, `short` and `style` ("ok", "bad", "warn", "plain") into figure and
    overview; `label` says what the number `short` counts. The questions are answered by database in `rows`,
    or for the instance as a whole in `answers`."""

    clause: str
    short: str
    label: str
    style: str
    text: str
    rows: tuple[RestoreRow, ...] = ()
    answers: tuple[Pair, ...] = ()
    note: str = ""


def restore_of(instance: TargetResults) -> Restore:
    """The story by database, where back-ups are recorded and could be seen."""
    named = [one for one in instance.of(STORY) if one.item]
    told = [one for one in named if one.outcome is not Outcome.NOT_APPLICABLE]
    if told:
        return _story(instance, told, [one for one in named if one not in told])
    why = instance.reason(STORY, Outcome.NOT_CHECKED) or instance.reason(STORY, Outcome.NOT_APPLICABLE)
    lacking = any(any(grants_in(one.reason)) for one in instance.of(STORY))
    because = LACKS_RIGHT if lacking else why.rstrip(".")
    unseen = "Not seen. Ask whoever makes the back-ups"
    return Restore(
        clause="whether its databases could be restored was not seen",
        short="not seen",
        label="can its databases be restored",
        style="warn",
        text=f"Whether the databases could be restored was not seen{f': {because}' if because else ''}.",
        answers=(
            ("Could you restore?", "Not seen. This is neither a yes nor a no."),
            ("To when?", f"{unseen} when the newest of them was made."),
            ("From where?", f"{unseen} where they lie, and whether that is another machine."),
            ("How long?", "Not known: nothing tells how long a back-up took."),
            ("Was it tried?", "Not seen."),
        ),
    )


# --- the story of SQL Server ------------------------------------------------------------------


def _story(instance: TargetResults, told: Sequence[ItemResult], left_out: Sequence[ItemResult]) -> Restore:
    """`left_out` are databases that are not judged: they are named, and counted nowhere."""
    known = [one for one in told if one.outcome is not Outcome.NOT_CHECKED]
    good = [one for one in known if one.outcome is Outcome.PASSED or waived(one)]
    lost = _at_most(told)
    clause = f"{_how_many(len(good), len(told))} could be restored with at most {lost} of work lost"
    beside = [one for one in known if _text(one, "place") == _DATA_DISK]
    if good and beside and len(beside) == len(known):
        clause += ", as long as the disk of the data survives"
    style = "bad" if len(good) < len(known) else "warn" if len(known) < len(told) or beside else "plain"
    return Restore(
        clause=clause,
        short=f"{len(good)} of {len(told)}",
        label=f"databases could be restored with at most {lost} of work lost",
        style=style,
        text=" ".join(_told(instance, told, lost)),
        rows=tuple(
            _row(instance, one) for one in [*in_order(o for o in told if o not in good), *good, *left_out]
        ),
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


def _at_most(told: Sequence[ItemResult]) -> str:
    """How much work may be lost: "a day", "4 h"."""
    limits = [value.value for one in told if isinstance(value := one.evidence.get("limit"), Duration)]
    # The level leaves an hour for the nightly back-up itself.
    if not limits or DAY_S <= limits[0] <= 1.1 * DAY_S:
        return "a day"
    return duration_text(limits[0])


def _told(instance: TargetResults, told: Sequence[ItemResult], most: str) -> Iterator[str]:
    """The story in plain words."""
    known = [one for one in told if one.outcome is not Outcome.NOT_CHECKED]
    never = [one for one in known if "restorable_to" not in one.evidence]
    late = [one for one in known if one.outcome is Outcome.FINDING and one not in never]
    if known and not never and not late:
        everyone = "every database" if len(known) == len(told) else "every database that could be judged"
        yield (
            f"If the server were lost now, {everyone} could be brought back with at most {most} of work lost."
        )
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
    why = "" if one.evidence else _why(instance, one)
    return RestoreRow(
        database=clean(one.item, 120),
        answer=answer,
        style=style,
        until=_shown(instance, one, "restorable_to") or capital(why) or UNKNOWN,
        lost=_shown(instance, one, "lost"),
        place=_PLACES.get(place, clean(place, 60)) or UNKNOWN,
        takes=(_shown(instance, one, "restore_estimate") or "not known") if restorable else UNKNOWN,
        tried=_tried_of(instance, one),
    )


def _why(instance: TargetResults, one: ItemResult) -> str:
    """Why nothing is told of a database."""
    return LACKS_RIGHT if any(grants_in(one.reason)) else instance.plain(clean(one.reason, 200))


def _answer(one: ItemResult) -> tuple[str, str]:
    if one.outcome is Outcome.PASSED:
        return "Yes", "ok"
    if one.outcome is Outcome.NOT_CHECKED:
        return "Not known", "warn"
    if one.outcome is Outcome.NOT_APPLICABLE:
        return "Not judged", "mute"
    answer = "Not all of it" if "restorable_to" in one.evidence else "No"
    return (f"{answer} (accepted)", "mute") if waived(one) else (answer, "bad")


def _tried_of(instance: TargetResults, one: ItemResult) -> str:
    match one.evidence.get("last_restore"):
        case Instant(value):
            return instance.printer.formats.date(value)
        case None:
            return UNKNOWN if not one.evidence else "not seen"
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
