"""The end of whatever collected: the visit is judged, kept, reported, and the shell is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkup.assessment import Assessment, Priority
from checkup.catalogue import Catalogue
from checkup.workflow.assessing import VisitRuns, assess_visit, site_of, visit_runs
from checkup.workflow.collecting import RunOutcome
from checkup.workflow.exit_status import Exit, exit_status
from checkup.workflow.reporting import Written, report_input, report_name, write_report

if TYPE_CHECKING:
    from checkup.store import Store


@dataclass(frozen=True, kw_only=True)
class Concluded:
    """`written` is None where the report could not be."""

    status: Exit
    assessment: Assessment
    written: Written | None


def conclude(
    store: Store,
    outcome: RunOutcome,
    catalogue: Catalogue,
    *,
    output: Path,
    pdf: Path | None,
    fail_on: str,
    say: Callable[[str], None],
) -> Concluded:
    """Judge the visit of a run and write its report; what cannot be kept or written is said."""
    collected = outcome.collected
    if collected.failure is not None:
        say(f"not everything could be kept: {collected.failure}")
    of = visit_runs(store, outcome.run_id)
    assessment = assess_visit(store, of, catalogue, unwritten=collected.lost)
    saved = _saved(store, of, assessment, say)
    written = _written(store, of, assessment, output, pdf, say)
    status = exit_status(
        assessment,
        written=saved and written is not None and collected.failure is None,
        interrupted=collected.interrupted,
        fail_on=None if fail_on == "none" else Priority(fail_on.upper()),
    )
    return Concluded(status=status, assessment=assessment, written=written)


def _saved(store: Store, of: VisitRuns, assessment: Assessment, say: Callable[[str], None]) -> bool:
    from checkup.store import StoreError

    try:
        store.save_assessment(of.visit_id, assessment)
    except StoreError as error:
        say(str(error))
        return False
    return True


def _written(
    store: Store,
    of: VisitRuns,
    assessment: Assessment,
    output: Path,
    pdf: Path | None,
    say: Callable[[str], None],
) -> Written | None:
    try:
        data = report_input(store, of, assessment)
        return write_report(data, output, report_name(site_of(of.newest), assessment), pdf=pdf)
    except OSError as error:
        say(f"the report could not be written: {error}")
        return None
