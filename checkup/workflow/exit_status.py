"""What the shell is told. Stable; design, section 9."""

from __future__ import annotations

from enum import IntEnum

from checkup.api import SUPPORTABILITY
from checkup.assessment import Assessment, Outcome, Priority

_RANK = {Priority.P1: 1, Priority.P2: 2, Priority.P3: 3}


class Exit(IntEnum):
    COMPLETE = 0
    FINDINGS = 1
    USAGE = 2
    INCOMPLETE = 3
    NOTHING = 4
    P1_AWAITS = 10
    INTERRUPTED = 130


def exit_status(
    assessment: Assessment | None,
    *,
    written: bool,
    interrupted: bool = False,
    fail_on: Priority | None = None,
) -> Exit:
    """Where several hold: interrupted, nothing, P1, incomplete, findings, complete."""
    if interrupted:
        return Exit.INTERRUPTED
    if assessment is None or not written or not _anything_assessed(assessment):
        return Exit.NOTHING
    rankings = [finding.ranking for finding in assessment.open_findings if finding.ranking]
    if any(ranking.priority is Priority.P1 and not ranking.predicted for ranking in rankings):
        return Exit.P1_AWAITS
    if assessment.totals.not_checked or assessment.not_checked:
        return Exit.INCOMPLETE
    if fail_on is not None and any(_RANK.get(r.priority, 9) <= _RANK[fail_on] for r in rankings):
        return Exit.FINDINGS
    return Exit.COMPLETE


def _anything_assessed(assessment: Assessment) -> bool:
    """Something of the client's was judged; a finding that a machine is out of reach does not count."""
    return any(check.outcome is Outcome.PASSED for check in assessment.checks) or any(
        (finding.source, finding.function) != ("connection", SUPPORTABILITY)
        for finding in assessment.findings
    )
