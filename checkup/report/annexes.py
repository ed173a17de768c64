"""The proof behind the report: how each system was reached, with what, and every command sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from checkup.api import Visit
from checkup.assessment import Assessment
from checkup.report.findings import Printing
from checkup.report.input import CommandText, EndpointFacts, LedgerLine, ReportInput, RunFacts
from checkup.report.levels import levels_text, own_levels
from checkup.report.model import Command, LedgerDay, LevelRow, Pair, Reached
from checkup.report.systems import clock, way_in
from checkup.report.text import NBSP, Formats, clean, clean_block, count, duration_text, prose
from checkup.report.words import VISITS

MOST_LEDGER_LINES = 1000
# So many runs of one kind are told one by one; of more, when they were.
MOST_RUNS = 3

_HOST_KEYS = {
    "pinned": "host key pinned",
    "known_hosts": "host key known",
    "ca": "certificate checked",
    "ignored": "host key not verified",
}
_IDENTITIES = {
    "pinned": "identity as before",
    "first": "identity pinned now",
    "none": "identity not given",
    "mismatch": "identity differs",
}


def runs(given: ReportInput, formats: Formats) -> list[str]:
    """A line for each run; where samples were taken again and again, one for all of a kind."""
    kinds: dict[tuple[Visit, str], list[RunFacts]] = {}
    for run in sorted(given.runs, key=lambda run: run.started_at):
        kinds.setdefault((run.visit, run.state), []).append(run)
    lines: list[str] = []
    for of_kind in kinds.values():
        if len(of_kind) > MOST_RUNS:
            lines.append(_runs_together(of_kind, formats))
        else:
            lines += [_run(run, formats) for run in of_kind]
    return lines


def _runs_together(of_kind: Sequence[RunFacts], formats: Formats) -> str:
    first, last = of_kind[0], of_kind[-1]
    systems = len({facts.endpoint for run in of_kind for facts in run.endpoints})
    return (
        f"{count(len(of_kind), 'run')} ({VISITS[first.visit]}), {clean(first.run_id, 80)} to"
        f" {clean(last.run_id, 80)}: {formats.moment(first.started_at)} to {formats.moment(last.started_at)},"
        f" {count(systems, 'endpoint')}, {clean(first.state, 40)}."
    )


def _run(run: RunFacts, formats: Formats) -> str:
    took = ""
    if run.finished_at is not None:
        took = f", took {duration_text((run.finished_at - run.started_at).total_seconds())}"
    systems = count(len(run.endpoints), "endpoint")
    return (
        f"Run {clean(run.run_id, 80)} ({VISITS[run.visit]}): {formats.moment(run.started_at)}{took},"
        f" {systems}, {clean(run.state, 40)}."
    )


def reached(given: ReportInput, formats: Formats) -> list[Reached]:
    """A row for each way that an endpoint was reached, and what came of it; the numbers are the last ones."""
    alike: dict[tuple[str, str, str, str], list[EndpointFacts]] = {}
    for run in sorted(given.runs, key=lambda run: run.started_at):
        for facts in sorted(run.endpoints, key=lambda facts: facts.endpoint):
            key = (clean(facts.endpoint, 120), way_in(facts), _result(facts), _trust(facts))
            alike.setdefault(key, []).append(facts)
    return [
        Reached(
            endpoint=endpoint,
            way_in=way,
            result=result,
            when=_when(times, formats),
            round_trip=duration_text(last) if (last := times[-1].round_trip_s) is not None else "",
            clock=clock(times[-1]),
            trust=trust,
        )
        for (endpoint, way, result, trust), times in alike.items()
    ]


def _when(times: Sequence[EndpointFacts], formats: Formats) -> str:
    first, last = formats.moment(times[0].started_at), formats.moment(times[-1].started_at)
    return first if len(times) == 1 else f"{len(times)}{NBSP}times, {first} to {last}"


def _result(facts: EndpointFacts) -> str:
    if facts.error is not None:
        detail = prose(clean(facts.reason, 200))
        name = facts.error.value.replace("_", " ")
        return f"{name}: {detail}" if detail else name
    if not facts.complete:
        return "the answer broke off"
    return "complete"


def _trust(facts: EndpointFacts) -> str:
    parts = (
        _HOST_KEYS.get(facts.host_key_check, clean(facts.host_key_check, 40)),
        _IDENTITIES.get(facts.identity_check, clean(facts.identity_check, 40)),
    )
    return "; ".join(part for part in parts if part)


def station(given: ReportInput) -> list[Pair]:
    return [(clean(name, 80).replace("_", " "), clean(value, 300)) for name, value in given.station.items()]


def unlinted(assessment: Assessment) -> list[str]:
    return [clean(probe.id, 120) for _, probe in sorted(assessment.probes.items()) if not probe.linted]


def levels(assessment: Assessment, printer: Printing) -> list[LevelRow]:
    """The thresholds of each probe that was planned, and where the site's own differ."""
    planned = {check.probe for check in assessment.checks}
    return [
        LevelRow(
            probe=clean(probe.id, 120),
            title=clean(probe.title),
            defaults=levels_text(probe.levels.items()),
            own=own_levels(identifier, assessment, printer.where),
        )
        for identifier, probe in sorted(assessment.probes.items())
        if identifier in planned and probe.levels
    ]


def ledger(lines: Sequence[LedgerLine], formats: Formats) -> tuple[list[LedgerDay], int]:
    """What was sent where, and how often: one preformatted line for each command of a day, whose date is said
    once; and how many lines are left out."""
    alike: dict[tuple[str, str, str, str, str], list[LedgerLine]] = {}
    for line in sorted(lines, key=lambda line: (line.at, line.endpoint)):
        key = (formats.date(line.at), line.endpoint, line.transport, line.sha256, line.outcome)
        alike.setdefault(key, []).append(line)
    shown = list(alike.items())[:MOST_LEDGER_LINES]
    widest = min(max((len(clean(key[1], 24)) for key, _ in shown), default=0), 24)
    days = [
        LedgerDay(date=date, lines=tuple(_ledger_line(same, widest, formats) for _, same in of_day))
        for date, of_day in groupby(shown, key=lambda entry: entry[0][0])
    ]
    return days, len(alike) - len(shown)


def _ledger_line(same: Sequence[LedgerLine], widest: int, formats: Formats) -> str:
    """One command; `same` are the times that it was sent, its bytes those of all of them together."""
    line = same[0]
    ended = [one.returned_bytes for one in same if one.returned_bytes is not None]
    back = f"{sum(ended):,}" if ended else "no end"
    often = f", {len(same)} times until {formats.time(same[-1].at)}" if len(same) > 1 else ""
    return (
        f"{formats.time(line.at)}  {clean(line.endpoint, 24):{widest}}  {clean(line.transport, 12):12}"
        f"  sent {sum(one.sent_bytes for one in same):>9,}  back {back:>11}  {line.sha256[:64]:64}"
        f"  {clean(line.outcome, 40)}{often}"
    )


def commands(texts: Sequence[CommandText]) -> list[Command]:
    """Each collector's text once, by section and source."""
    once = {(text.section, text.source): text for text in texts}
    return [
        Command(title=f"{clean(section, 80)} ({clean(source, 40)})", text=clean_block(text.text))
        for (section, source), text in sorted(once.items())
    ]
