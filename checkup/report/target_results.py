"""What the checks of one target with a page of its own brought, by the short name of the check."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkup.api import Bytes, Day, Duration, Instant, Measured, Number, Ratio, Target, Text, Value
from checkup.assessment import CheckOutcome, ItemResult, Outcome
from checkup.report.findings import Printing, in_order, ranking, waived
from checkup.report.input import EndpointFacts, MetricHistory
from checkup.report.model import Card, Reference
from checkup.report.text import clean

MOST_SAID = 4
# In the place of a number that is not known, and the colour of what needs no attention.
UNKNOWN = "–"
PLAIN = "plain"
_NAMED = r"[a-z0-9]+(?:-[a-z0-9]+)*"


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetResults:
    """`area` is what the names of its checks begin with ("access"). `results` by probe, `cards` by the
    finding's key, `metrics` by probe, name and item, `history` by probe, name and item."""

    area: str
    target: Target
    checks: Sequence[CheckOutcome]
    results: Mapping[str, Sequence[ItemResult]]
    metrics: Mapping[tuple[str, str, str], Measured]
    history: Mapping[tuple[str, str, str], MetricHistory]
    cards: Mapping[tuple[str, str, str], Card]
    endpoint: EndpointFacts | None
    printer: Printing

    def of(self, check: str) -> Sequence[ItemResult]:
        """The results of one check; "size-limit" for access.size-limit."""
        return self.results.get(self.name(check), ())

    def name(self, check: str) -> str:
        """The whole name of a check."""
        return f"{self.area}.{check}"

    def findings(self, check: str) -> list[ItemResult]:
        return in_order(r for r in self.of(check) if r.outcome is Outcome.FINDING)

    def open(self, check: str) -> list[ItemResult]:
        """Its findings without those that the client accepted."""
        return [result for result in self.findings(check) if not waived(result)]

    def outcome(self, check: str) -> Outcome | None:
        """The worst of its items; None where it was not planned."""
        return next((one.outcome for one in self.checks if one.probe == self.name(check)), None)

    def value(self, check: str, name: str, item: str | None = None) -> Value | None:
        """A value that the check measured, whatever it made of it; of one `item` only where that is named."""
        of_it = (result for result in self.of(check) if item is None or result.item == item)
        return next((result.evidence[name] for result in of_it if name in result.evidence), None)

    def amount(self, check: str, name: str, item: str | None = None) -> float | None:
        match self.value(check, name, item):
            case Bytes(value) | Ratio(value) | Number(value) | Duration(value):
                return float(value)
            case Instant() | Day() | Text() | None:
                return None

    def shown(self, check: str, name: str, item: str | None = None) -> str:
        """The same value as it is printed; "" where there is none."""
        value = self.value(check, name, item)
        return self.printer.formats.value(value) if value is not None else ""

    def metric(self, check: str, name: str, item: str = "") -> float | None:
        measured = self.metrics.get((self.name(check), name, item))
        return measured.value if measured is not None else None

    def items(self, check: str, name: str) -> Iterator[tuple[str, float]]:
        """One metric of many things: (thing, value)."""
        whole = self.name(check)
        for (probe, metric, item), measured in self.metrics.items():
            if probe == whole and metric == name and item:
                yield item, measured.value

    def said(self, check: str) -> str:
        """What its findings say, the most urgent first."""
        messages = self.printer.messages(self.findings(check))
        more = len(messages) - MOST_SAID
        said = " ".join([*messages[:MOST_SAID], *([f"And {more} more."] if more > 0 else [])])
        return self.plain(said)

    def reason(self, check: str, outcome: Outcome) -> str:
        """Why it was not checked, or does not apply."""
        reasons = (clean(r.reason, 300) for r in self.of(check) if r.outcome is outcome and r.reason)
        return self.plain("; ".join(dict.fromkeys(reasons)))

    def plain(self, text: str) -> str:
        """For readers who know no names of checks: each by what it says of a sound file."""
        return re.sub(rf"\b{self.area}\.{_NAMED}", lambda found: self._title(found[0]), text)

    def _title(self, probe: str) -> str:
        known = self.printer.assessment.probes.get(probe)
        return f"“{clean(known.title)}”" if known else probe

    def reference(self, check: str) -> Reference | None:
        """The card of its most urgent open finding."""
        for finding in self.open(check):
            card = self.cards.get(finding.key)
            if card is not None:
                return Reference(number=card.number, anchor=card.anchor)
        return None

    def style(self, check: str) -> str:
        """The colour of what a check found: that of its most urgent finding, PLAIN where it found nothing."""
        for finding in self.open(check):
            return {"P1": "bad", "P2": "bad", "P3": "warn"}.get(ranking(finding).priority.value, PLAIN)
        return PLAIN

    def pointer(self, check: str) -> str:
        """ " (F-03)", to put behind what its card tells in full."""
        found = self.reference(check)
        return f" ({found.number})" if found else ""
