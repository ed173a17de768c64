"""From the store to the files a person opens: PDF, HTML and the findings as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from checkup.site import Site
from checkup.workflow.assessing import VisitRuns, earlier_assessments, site_of
from checkup.workflow.collecting import plan_of
from checkup.workflow.visits import due_for

if TYPE_CHECKING:
    from checkup.store import Store


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
    endpoints = {run.id: store.snapshots([run.id]) for run in of.runs}
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
        for run in reversed(of.runs)
    ]
    ledger = [
        LedgerLine(
            at=entry.at,
            endpoint=entry.endpoint,
            transport=entry.transport,
            sha256=entry.sha256,
            sent_bytes=entry.sent_bytes,
            returned_bytes=entry.returned_bytes,
            outcome=entry.outcome,
        )
        for entry in store.ledger(of.run_ids)
    ]
    return ReportInput(
        assessment=assessment,
        site=header(site),
        runs=tuple(runs),
        ledger=tuple(ledger),
        commands=_commands(of),
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


def _commands(of: VisitRuns) -> tuple[CommandText, ...]:
    """Each collector's text once, however many machines ran it."""
    texts: dict[tuple[str, str, str], CommandText] = {}
    for run in of.runs:
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
    """The metrics with a limit that have been measured at enough visits to be drawn."""
    points_of = metric_history([assessment, *earlier])
    drawn: list[MetricHistory] = []
    for metric in assessment.metrics:
        if metric.limit is None:
            continue
        points = points_of[metric.key]
        line = forecast(points, metric.limit)
        if isinstance(line, Forecast):
            drawn.append(
                MetricHistory(
                    probe=metric.probe,
                    target=metric.target,
                    name=metric.name,
                    item=metric.item,
                    kind=metric.value.kind,
                    points=tuple((point.at, point.value) for point in points),
                    limit=metric.limit,
                    forecast=line,
                )
            )
    return tuple(drawn)


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
