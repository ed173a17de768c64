"""A plan of sections without probes: what is collected to be looked at, not to be judged.

It runs as an interim run like any other, with its ledger, and closes no visit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from checkup.api import Context, NoLevels, Probe, Result, Scope, Visit
from checkup.catalogue import AnySection, Catalogue, Entry, Need, sampled_of
from checkup.plan import Plan, PlanError
from checkup.workflow.collecting import plan_run
from checkup.workflow.prepare import Prepared


def section_plan(prepared: Prepared, host: str, sections: Iterable[AnySection], now: datetime) -> Plan:
    """These sections of one host, as far as it has a collector for them. Raises PlanError."""
    wanted = [section for section in sections if not sampled_of(section)]
    kind = next((target.kind for target in prepared.site.targets() if target.id == host), _PROBE.kind)
    plan = plan_run(only_sections(prepared, wanted, [kind]), None, Visit.INTERIM, now, hosts=[host])
    for endpoint in plan.endpoints:
        if endpoint.opted_out:
            raise PlanError(f"{host}: {endpoint.opted_out}")
    return replace(plan, checks=())


def only_sections(prepared: Prepared, sections: Iterable[AnySection], kinds: Iterable[str]) -> Prepared:
    """The catalogue with nothing but one question to each of these kinds of target: for these sections."""
    wanted = {section.name: section for section in sections}
    needs = tuple(Need(name, section, optional=True) for name, section in wanted.items())
    probes = [replace(_PROBE, id=f"{_PROBE.id}-{kind}", kind=kind) for kind in kinds]
    entries = {
        probe.id: Entry(probe=probe, needs=needs, needs_type=None, module=__name__, linted=True)
        for probe in probes
    }
    return Prepared(prepared.loaded, Catalogue(entries, wanted))


def _nothing(facts: object, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield from ()


# Never judged: the plan's checks are taken out.
_PROBE = Probe(
    id="checkup.sections",
    title="Sections are collected",
    check=_nothing,
    messages={},
    why="",
    remedy="",
    verify="",
    levels=NoLevels(),
    visits=frozenset({Visit.INTERIM}),
    scope=Scope.TARGET,
)
