"""From the store to the files a person opens: PDF, HTML and the findings as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkup import assessment as assessments
from checkup.analyse.assess import metric_history
from checkup.analyse.forecast import forecast
from checkup.api import Forecast
from checkup.assessment import Assessment
from checkup.contract.due import next_visit
from checkup.contract.visits import VISITS
from checkup.report.input import (
    CommandText,
    Contact,
    LedgerLine,
    MetricHistory,
    ReportInput,
    RunFacts,
    SiteHeader,
    endpoint_facts,
)
from checkup.report.words import SQL_ENGINES
from checkup.site import Site
from checkup.workflow.assessing import VisitRuns, earlier_assessments, site_of
from checkup.workflow.collecting import plan_of
from checkup.workflow.sampled import sampling_runs
from checkup.workflow.visits import due_for

if TYPE_CHECKING:
    from checkup.store import LedgerEntry, RunRecord, Store


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files of one report. `pdf` is None where it could not be made; `problem` says why and what
    to do."""

    html: Path
    json: Path
    pdf: Path | None
    problem: str = ""


def report_input(store: Store, of: VisitRuns, assessment: Assessment) -> ReportInput:
    """Everything the report of one assessment prints, from the store alone."""
    site = site_of(of.newest)
    sampling = _sampling(store, of, assessment)
    all_runs = sorted([*of.runs, *sampling], key=lambda run: run.started_at)
    endpoints = {run.id: store.snapshots([run.id]) for run in all_runs}
    earlier = [store.assessment(record.id) for record in earlier_assessments(store, of)]
    runs = [
        RunFacts(
            run_id=run.id,
            started_at=run.started_at,
            finished_at=run.finished_at,
            state=str(run.state),
            visit=run.visit,
            endpoints=tuple(endpoint_facts(endpoint) for endpoint in endpoints[run.id]),
        )
        for run in all_runs
    ]
    ledger = [_ledger_line(entry) for entry in store.ledger(of.run_ids)]
    ledger += _repeated(store.ledger([run.id for run in sampling]))
    return ReportInput(
        assessment=assessment,
        site=header(site),
        runs=tuple(runs),
        ledger=tuple(ledger),
        commands=_commands([*of.runs, *sampling]),
        station=_station(of),
        history=_history(assessment, earlier),
        next_visit=_next_visit(site, store, assessment),
    )


def header(site: Site) -> SiteHeader:
    people = (
        ("Practice manager", site.contacts.practice_manager),
        ("IS staff", site.contacts.is_staff),
        ("Account manager", site.contacts.account_manager),
        ("Support engineer", site.contacts.engineer),
    )
    manager = site.contacts.practice_manager
    return SiteHeader(
        id=site.site.id,
        name=site.site.name,
        timezone=site.site.timezone,
        prepared_for=f"{manager.name}, practice manager" if manager and manager.name else "",
        prepared_by=site.report.prepared_by or "",
        confidentiality=site.report.confidentiality,
        package=site.contract.package,
        contacts=tuple(
            Contact(
                role=role, name=person.name or "", reach=", ".join(filter(None, (person.phone, person.email)))
            )
            for role, person in people
            if person is not None
        ),
    )


def _sampling(store: Store, of: VisitRuns, assessment: Assessment) -> list[RunRecord]:
    """The runs whose samples were judged, or might have been."""
    if not any("sampled" in result.source.split("+") for result in assessment.results):
        return []
    return sampling_runs(store, store.visit(of.visit_id))


def _ledger_line(entry: LedgerEntry) -> LedgerLine:
    return LedgerLine(
        at=entry.at,
        endpoint=entry.endpoint,
        transport=entry.transport,
        sha256=entry.sha256,
        sent_bytes=entry.sent_bytes,
        returned_bytes=entry.returned_bytes,
        outcome=entry.outcome,
    )


def _repeated(entries: Sequence[LedgerEntry]) -> Iterator[LedgerLine]:
    """A line for each command of a sampling run, however often it was sent; bytes are of all together."""
    sent: dict[tuple[str, str, str, str], list[LedgerEntry]] = {}
    for entry in entries:
        sent.setdefault((entry.run, entry.endpoint, entry.sha256, entry.outcome), []).append(entry)
    for same in sent.values():
        line = _ledger_line(same[0])
        if len(same) > 1:
            line = replace(
                line,
                sent_bytes=sum(one.sent_bytes for one in same),
                returned_bytes=sum(one.returned_bytes or 0 for one in same),
                outcome=f"{line.outcome}, {len(same)} times until {same[-1].at:%H:%M} UTC",
            )
        yield line


def _commands(runs: Sequence[RunRecord]) -> tuple[CommandText, ...]:
    """Each collector's text once, however many machines ran it."""
    texts: dict[tuple[str, str, str], CommandText] = {}
    for run in runs:
        plan = plan_of(run)
        for endpoint in plan.endpoints:
            for section in endpoint.sections:
                if section.text and not endpoint.opted_out:
                    command = CommandText(
                        section=section.name, source=section.source or "", text=section.text
                    )
                    texts[command.section, command.source, command.text] = command
    return tuple(texts[key] for key in sorted(texts))


def _station(of: VisitRuns) -> dict[str, str]:
    facts: Any = of.newest.station_json
    return {str(name): str(value) for name, value in facts.items()} if isinstance(facts, dict) else {}  # pyright: ignore


def _history(assessment: Assessment, earlier: Sequence[Assessment]) -> tuple[MetricHistory, ...]:
    """What is drawn or compared over the visits: metrics with a limit and enough points for a forecast, and
    those of a SQL instance without a limit that were measured before."""
    instances = {target.id for target in assessment.targets if target.kind in SQL_ENGINES}
    points_of = metric_history([assessment, *earlier])
    kept: list[MetricHistory] = []
    for metric in assessment.metrics:
        points = points_of[metric.key]
        line = forecast(points, metric.limit) if metric.limit is not None else None
        compared = metric.limit is None and metric.target in instances and len(points) > 1
        if isinstance(line, Forecast) or compared:
            kept.append(
                MetricHistory(
                    probe=metric.probe,
                    target=metric.target,
                    name=metric.name,
                    item=metric.item,
                    kind=metric.value.kind,
                    points=tuple((point.at, point.value) for point in points),
                    limit=metric.limit,
                    forecast=line if isinstance(line, Forecast) else None,
                )
            )
    return tuple(kept)


def _next_visit(site: Site, store: Store, assessment: Assessment) -> str:
    """The promised visit after this one, as a line for people."""
    coming = next_visit(due_for(site, store, assessment.clock), assessment.visit)
    if coming is None or coming.due_on is None:
        return ""
    return f"{VISITS[coming.visit].name}, due {coming.due_on.day} {coming.due_on:%B %Y}"


def write_report(data: ReportInput, folder: Path, name: str, *, pdf: Path | None = None) -> Written:
    """Write `name`.html, .json and .pdf into `folder`; what can be written is, whatever the PDF does.

    Raises OSError where the folder cannot be written.
    """
    from checkup.report.html import render_html
    from checkup.report.pdf import ReportError, render_pdf
    from checkup.report.view import build_view

    folder.mkdir(parents=True, exist_ok=True)
    pdf_path = pdf or folder / f"{name}.pdf"
    pdf_path.parent.mkdir(parents=True, exist_ok=True)
    json_path, html_path = pdf_path.with_suffix(".json"), pdf_path.with_suffix(".html")
    findings = assessments.to_json(data.assessment)
    json_path.write_bytes(findings)
    view = build_view(data)
    html_path.write_text(render_html(view, screen=True), encoding="utf-8")
    try:
        pdf_path.write_bytes(
            render_pdf(render_html(view, screen=False), created=data.assessment.clock, attachment=findings)
        )
    except ReportError as error:
        return Written(html=html_path, json=json_path, pdf=None, problem=str(error))
    return Written(html=html_path, json=json_path, pdf=pdf_path)


def report_name(site: Site, assessment: Assessment) -> str:
    return f"{site.site.id}_{site.day(assessment.clock):%Y-%m-%d}_{assessment.visit.value}"
