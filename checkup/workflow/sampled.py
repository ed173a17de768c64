"""The samples that belong to a visit, as the sections that its probes ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from checkup.api import JSON, Quality
from checkup.catalogue import AnySection, Catalogue, sampled_of
from checkup.snapshot import SectionSnapshot
from checkup.workflow.collecting import STAYS_OPEN

if TYPE_CHECKING:
    from checkup.store import RunRecord, Store, VisitRecord

# A busy hour is sampled before the visit whose report it is for, or between its runs and its delivery.
SAMPLED_BEFORE = timedelta(days=30)

# A run that was given up after fewer does not stand in the way of an earlier one.
LEAST_SAMPLES = 3

_GOOD = (Quality.OK, Quality.PARTIAL)


def sampling_runs(store: Store, visit: VisitRecord) -> list[RunRecord]:
    """The runs that took samples in the time of a visit, the newest first."""
    begin = visit.opened_at - SAMPLED_BEFORE
    end = visit.closed_at or visit.opened_at + STAYS_OPEN
    return [run for run in store.sampling_runs(visit.site) if begin <= run.started_at <= end]


def series(store: Store, visit: VisitRecord, catalogue: Catalogue) -> list[SectionSnapshot]:
    """For each target and each section of samples the newest that were taken; of each section at most one.

    Where no run brought enough, what the newest brought says why.
    """
    wanted = {of: section for section in catalogue.sections.values() if (of := sampled_of(section))}
    found: dict[tuple[str, str], SectionSnapshot] = {}
    poor: dict[tuple[str, str], SectionSnapshot] = {}
    for run in sampling_runs(store, visit):
        for (target, name), samples in _by_section(store.samples(run.id)).items():
            key = (target, name)
            if name not in wanted or key in found:
                continue
            made = one_series(wanted[name], samples)
            if sum(one.quality in _GOOD for one in samples) >= LEAST_SAMPLES:
                found[key] = made
            else:
                poor.setdefault(key, made)
    return list((poor | found).values())


def with_series(
    sections: Iterable[SectionSnapshot], made: Sequence[SectionSnapshot]
) -> list[SectionSnapshot]:
    """All sections of a visit; where there are samples, nothing says that nobody took any."""
    taken = {(one.target, one.section) for one in made}
    return [*(one for one in sections if (one.target, one.section) not in taken), *made]


def one_series(section: AnySection, samples: Sequence[SectionSnapshot]) -> SectionSnapshot:
    """What was sampled of one section of one target, as one section; the earliest first."""
    last = samples[-1]
    good = [one for one in samples if one.quality in _GOOD]
    if not good:
        return replace(last, section=section.name, version=section.version, source="sampled", raw=None)
    taken: list[JSON] = [
        {"at": one.collected_at.isoformat(), "source": one.source, "version": one.version, "raw": one.raw}
        for one in good
    ]
    cut = next((one for one in good if one.quality is Quality.PARTIAL), None)
    return SectionSnapshot(
        target=last.target,
        section=section.name,
        version=section.version,
        source="sampled",
        quality=Quality.PARTIAL if cut else Quality.OK,
        collected_at=good[-1].collected_at,
        raw={"samples": taken, "missed": len(samples) - len(good)},
        reason=cut.reason if cut else "",
        payload_bytes=sum(one.payload_bytes for one in good),
    )


def _by_section(samples: Iterable[SectionSnapshot]) -> Mapping[tuple[str, str], list[SectionSnapshot]]:
    found: defaultdict[tuple[str, str], list[SectionSnapshot]] = defaultdict(list)
    for one in samples:
        found[one.target, one.section].append(one)
    return found
