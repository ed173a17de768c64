"""The back-up story of an engine that keeps no record of its back-ups: what the server shows, and no more.

PostgreSQL and MariaDB know whether they hand on their log of changes, seldom whether a full back-up of it
lies anywhere. So no answer here is "yes": what was not seen is said to be unseen, and whom to ask.
"""

from __future__ import annotations

from collections.abc import Iterator

from checkup.api import Day, Instant, Text
from checkup.assessment import Outcome
from checkup.report.model import Pair
from checkup.report.sql_blind_spots import grants_in
from checkup.report.sql_restore import LACKS_RIGHT, Restore
from checkup.report.target_results import TargetResults
from checkup.report.text import clean, prose, within_sentence

EVIDENCE, CHANGES, TESTED = "backup-evidence", "binary-log", "restore-test"
UNRECORDED = frozenset({"postgresql", "mariadb"})

_LABEL = "can it be restored, by what the server itself shows"
_ASK = "Ask whoever makes the back-ups"
# Messages of findings that say that nothing at all was seen; all others tell of a back-up that has stopped.
_NO_SIGN = frozenset({"none", "never", "unseen"})


def unrecorded_of(instance: TargetResults, engine: str) -> Restore:
    """`engine` is its name, for a sentence."""
    clause, short, style = _verdict(instance)
    return Restore(
        clause=clause,
        short=short,
        label=_LABEL,
        style=style,
        text=(
            f"{engine} keeps no full record of its back-ups: what follows is what the server itself shows. "
            "Only a restore that was really made proves that there are good ones."
        ),
        answers=tuple(_answers(instance)),
    )


def _verdict(instance: TargetResults) -> tuple[str, str, str]:
    """The clause of the headline, the word for figure and overview, and its style."""
    match instance.outcome(EVIDENCE):
        case Outcome.FINDING if found := instance.open(EVIDENCE):
            if found[0].message in _NO_SIGN:
                return "nothing on it shows that it is backed up", "no sign", "bad"
            return "its back-ups need attention", "at risk", "bad"
        case Outcome.FINDING:
            return "that its back-ups cannot be seen was accepted", "accepted", "warn"
        case Outcome.PASSED:
            return "it is backed up, but whether it can be restored is not proven", "not proven", "warn"
        case Outcome.NOT_APPLICABLE:
            return "its back-ups were not looked for", "not judged", "warn"
        case _:
            return "whether it is backed up was not seen", "not seen", "warn"


def _answers(instance: TargetResults) -> Iterator[Pair]:
    yield "Could you restore?", _could(instance)
    yield "To when?", _until(instance)
    yield "From where?", f"Not seen. {_ASK} where they lie, and whether that is another machine."
    yield "How long?", "Not known: it shows only when a restore is tried."
    yield "Was it tried?", _tried(instance)


def _could(instance: TargetResults) -> str:
    noted = instance.shown(EVIDENCE, "noted_in")
    match instance.outcome(EVIDENCE):
        case Outcome.FINDING:
            return instance.said(EVIDENCE)
        case Outcome.PASSED if noted:
            return f"Probably: {noted} tells of a back-up. Whether it is whole, the server cannot tell."
        case Outcome.PASSED:
            return (
                "Probably: a back-up takes what it writes. Whether a full copy lies behind it, the server "
                "cannot tell."
            )
        case Outcome.NOT_APPLICABLE | Outcome.NOT_CHECKED as outcome:
            return f"Not seen: {_why(instance, outcome)}."
        case None:
            return f"Not seen: no check of this visit tells. {_ASK}."


def _why(instance: TargetResults, outcome: Outcome) -> str:
    if any(any(grants_in(one.reason)) for one in instance.of(EVIDENCE)):
        return LACKS_RIGHT
    return prose(instance.reason(EVIDENCE, outcome)).rstrip(".") or "no reason is given"


def _until(instance: TargetResults) -> str:
    last = instance.shown(EVIDENCE, "last") if _is_moment(instance, EVIDENCE) else ""
    changes = instance.outcome(CHANGES)
    if last and changes is Outcome.PASSED:
        return f"To {last}; with the binary log, as far as it was saved elsewhere, to the last change."
    if last and changes is not None:
        return f"To {last}: what was entered since would be lost."
    if last:
        return f"At best to {last}, when a back-up last took what it writes."
    fetched = instance.value(EVIDENCE, "fetched_by")
    if isinstance(fetched, Text):
        return f"At best to the minute: {clean(fetched.value, 120)} fetches what it writes as it is written."
    newest = f"{_ASK} when the newest was made."
    if changes is Outcome.PASSED:
        return (
            "Not seen. Its binary log is on: a full back-up could be brought up to the last change, as far "
            f"as the log was saved elsewhere. {newest}"
        )
    if changes is Outcome.FINDING:
        return f"To the last full back-up at best: {within_sentence(instance.said(CHANGES))} {newest}"
    return f"Not seen. {newest}"


def _tried(instance: TargetResults) -> str:
    if _is_moment(instance, TESTED):
        return f"On {instance.shown(TESTED, 'last')}, by what the site file says."
    return f"Not seen: the server records no restore. {_ASK} when they last tried one."


def _is_moment(instance: TargetResults, check: str) -> bool:
    return isinstance(instance.value(check, "last"), Instant | Day)
