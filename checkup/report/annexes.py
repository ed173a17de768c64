"""The proof behind the report: how each system was reached, with what, and every command sent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from checkup.assessment import Assessment
from checkup.report.findings import Printing
from checkup.report.input import CommandText, EndpointFacts, LedgerLine, ReportInput, RunFacts
from checkup.report.levels import levels_text, own_levels
from checkup.report.model import Command, LedgerDay, LevelRow, Pair, Reached
from checkup.report.systems import clock, way_in
from checkup.report.text import Formats, clean, clean_block, count, duration_text
from checkup.report.words import VISITS

MOST_LEDGER_LINES = 2000

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
    return [_run(run, formats) for run in sorted(given.runs, key=lambda run: run.started_at)]


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
    return [
        Reached(
            endpoint=clean(facts.endpoint, 120),
            way_in=way_in(facts),
            result=_result(facts),
            when=formats.moment(facts.started_at),
            round_trip=duration_text(facts.round_trip_s) if facts.round_trip_s is not None else "",
            clock=clock(facts),
            trust=_trust(facts),
        )
        for run in sorted(given.runs, key=lambda run: run.started_at)
        for facts in sorted(run.endpoints, key=lambda facts: facts.endpoint)
    ]


def _result(facts: EndpointFacts) -> str:
    if facts.error is not None:
        detail = clean(facts.reason, 200)
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


def ledger(lines: Sequence[LedgerLine], formats: Formats) -> list[LedgerDay]:
    """One preformatted line for each command sent, the date said once a day."""
    ordered = sorted(lines, key=lambda line: (line.at, line.endpoint))[:MOST_LEDGER_LINES]
    widest = min(max((len(clean(line.endpoint, 24)) for line in ordered), default=0), 24)
    return [
        LedgerDay(date=date, lines=tuple(_ledger_line(line, widest, formats) for line in of_day))
        for date, of_day in groupby(ordered, key=lambda line: formats.date(line.at))
    ]


def _ledger_line(line: LedgerLine, widest: int, formats: Formats) -> str:
    back = f"{line.returned_bytes:,}" if line.returned_bytes is not None else "no end"
    return (
        f"{formats.time(line.at)}  {clean(line.endpoint, 24):{widest}}  {clean(line.transport, 12):12}"
        f"  sent {line.sent_bytes:>9,}  back {back:>11}  {line.sha256[:64]:64}  {clean(line.outcome, 40)}"
    )


def commands(texts: Sequence[CommandText]) -> list[Command]:
    """Each collector's text once, by section and source."""
    once = {(text.section, text.source): text for text in texts}
    return [
        Command(title=f"{clean(section, 80)} ({clean(source, 40)})", text=clean_block(text.text))
        for (section, source), text in sorted(once.items())
    ]
