"""What `checkup sample` asks of whom: the sections whose collectors say that they are sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from checkup.api import Visit
from checkup.catalogue import Catalogue, is_sampled, sampled_of
from checkup.plan import SQL_PLATFORMS, EndpointPlan, Plan, PlanError
from checkup.site import Site
from checkup.site.models import Touch
from checkup.workflow.collecting import plan_run
from checkup.workflow.prepare import Prepared
from checkup.workflow.section_plan import only_sections

_KINDS = ("host", *sorted(SQL_PLATFORMS))


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """`plan` holds the endpoints that are sampled; `left_out` those that are not, each with the reason."""

    plan: Plan
    left_out: tuple[tuple[str, str], ...]


def sampling_plan(prepared: Prepared, now: datetime, hosts: Sequence[str] = ()) -> SamplingPlan:
    """The sampled sections of the site's instances and Windows machines, or of those named.

    Raises PlanError where there is nothing to sample.
    """
    sampled = [one for one in prepared.catalogue.sections.values() if is_sampled(one)]
    made = plan_run(only_sections(prepared, sampled, _KINDS), None, Visit.INTERIM, now, hosts=hosts)
    asked: list[EndpointPlan] = []
    left_out: list[tuple[str, str]] = []
    for endpoint in made.endpoints:
        sections = tuple(
            section
            for section in endpoint.sections
            if is_sampled(prepared.catalogue.sections[section.name], section.source)
        )
        reason = _why_not(prepared.site, endpoint)
        if sections and reason:
            left_out.append((endpoint.endpoint, reason))
        elif sections:
            asked.append(replace(endpoint, sections=sections, opted_out=""))
    if not asked:
        said = "; ".join(f"{name}: {reason}" for name, reason in left_out)
        raise PlanError(
            "there is nothing to sample"
            + (f" on {', '.join(hosts)}" if hosts else "")
            + ": sampled are SQL instances (`sql:` in the site file) and Windows machines"
            + (f" ({said})" if said else "")
        )
    plan = replace(made, checks=(), endpoints=tuple(asked), unlinted=_unlinted(prepared.catalogue))
    return SamplingPlan(plan=plan, left_out=tuple(left_out))


def _why_not(site: Site, endpoint: EndpointPlan) -> str:
    """Why an endpoint is not sampled, or "". Quiet hours do not forbid it: a busy hour is what it is for."""
    instances = {one.id: one.host for one in site.sql}
    name = instances.get(endpoint.endpoint, "") if endpoint.platform in SQL_PLATFORMS else endpoint.endpoint
    host = next((one for one in site.hosts if one.id == name), None)
    if host is not None and host.touch is Touch.NEVER:
        return endpoint.opted_out
    if endpoint.transport == "bundle":
        return "its answers are brought by hand"
    return ""


def _unlinted(catalogue: Catalogue) -> tuple[str, ...]:
    """The probes of samples whose collectors do not have the stamp of the lint."""
    return tuple(
        name
        for name, entry in catalogue.entries.items()
        if not entry.linted and any(sampled_of(section) for section in entry.sections)
    )
