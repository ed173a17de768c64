"""What is planned where: by platform, by transport, and what a machine without a shell would be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from checkup import plan as plans
from checkup.api import (
    JSON,
    Context,
    Passed,
    PerTarget,
    PowerShell,
    Probe,
    Result,
    Scope,
    Section,
    Shell,
    Visit,
    Wmi,
    WmiQuery,
)
from checkup.catalogue import Catalogue, build
from checkup.plan import EndpointPlan, Plan
from checkup.planning import make_plan
from checkup.site import load_text

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DISK = WmiQuery("Win32_LogicalDisk", ("DeviceID",))


@dataclass(frozen=True)
class Both:
    n: int


@dataclass(frozen=True)
class Windows:
    n: int


@dataclass(frozen=True)
class Queried:
    n: int


@dataclass(frozen=True)
class Needs:
    both: Both
    windows: Windows | None


def section(name: str, facts: type[Any], **collect: Any) -> Section[Any]:
    def parse(raw: JSON, source: str, version: int) -> Any:
        return facts(1)

    return Section(name=name, facts=facts, collect=collect, parse=parse)  # pyright: ignore[reportArgumentType]


def probe(id: str, check: Any, **more: Any) -> Probe[Any]:
    texts = dict.fromkeys(("title", "why", "remedy", "verify"), "text")
    return Probe(id=id, check=check, levels=Needs, messages={}, **texts, **more)


def check_both(facts: Both, levels: Any, ctx: Context) -> Iterator[Result]:
    yield Passed()


def check_windows(facts: Windows, levels: Any, ctx: Context) -> Iterator[Result]:
    yield Passed()


def check_queried(facts: Queried, levels: Any, ctx: Context) -> Iterator[Result]:
    yield Passed()


def check_either(facts: Needs, levels: Any, ctx: Context) -> Iterator[Result]:
    yield Passed()


def check_all(facts: PerTarget[Windows], levels: Any, ctx: Context) -> Iterator[Result]:
    yield Passed()


def catalogue() -> Catalogue:
    module = ModuleType("sample")
    vars(module).update(
        both=section("both", Both, posix=Shell("echo"), windows=PowerShell("@{ 'n' = 1 }", timeout_s=7)),
        windows=section("windows", Windows, windows=PowerShell("@{}"), cim=Wmi((DISK,))),
        queried=section("queried", Queried, windows=Wmi((DISK,), timeout_s=9)),
        a=probe("test.both", check_both),
        b=probe("test.windows", check_windows),
        c=probe("test.queried", check_queried),
        d=probe("test.either", check_either),
        e=probe("test.all", check_all, scope=Scope.SITE),
    )
    return build([module])


SITE = """
version: 1
site: {{id: s, name: S, timezone: UTC, country: US}}
contract: {{package: premium, installed: 2026-01-05}}
credentials: {{admin: {{user: admin, password: "env:PW"}}}}
hosts:
  - {{id: lin, connect: {{transport: ssh, host: 10.0.0.1, credential: admin}}}}
  - {{id: win, connect: {{transport: winrm, host: win.example, credential: admin}}{more}}}
  - {{id: brought, platform: windows, connect: {{transport: bundle, file: b}}}}
"""


def planned(more: str = "") -> Plan:
    site = load_text(SITE.format(more=more), path=Path("site.yaml"), today=NOW.date()).site
    since = {target.id: NOW for target in site.targets()}
    return make_plan(site, catalogue(), Visit.INTERIM, now=NOW, since=since)


def endpoint(plan: Plan, name: str) -> EndpointPlan:
    return next(one for one in plan.endpoints if one.endpoint == name)


def test_a_probe_is_planned_where_its_facts_can_be_collected():
    checks = {(check.probe, check.target) for check in planned().checks}
    assert {target for probe, target in checks if probe == "test.windows"} == {"win", "brought"}
    assert {target for probe, target in checks if probe == "test.both"} == {"lin", "win", "brought"}
    assert {target for probe, target in checks if probe == "test.either"} == {"lin", "win", "brought"}
    assert ("test.all", "") in checks


def test_what_a_probe_can_do_without_is_not_asked_where_it_does_not_exist():
    assert {section.name for section in endpoint(planned(), "lin").sections} == {"both"}


def test_a_machine_reached_by_winrm_is_a_windows_machine_and_gets_powershell():
    windows = endpoint(planned(), "win")
    assert windows.platform == "windows"
    by_name = {section.name: section for section in windows.sections}
    assert {section.source for section in windows.sections} == {"windows"}
    assert by_name["both"].text == "@{ 'n' = 1 }" and by_name["both"].timeout_s == 7
    assert "Win32_LogicalDisk" in by_name["queried"].text
    assert windows.script.startswith(b"& {") and b"Section 'win' 'queried' 1 9 @{" in windows.script


def test_without_a_shell_the_queries_of_a_section_are_asked_its_own_second_collector_first():
    by_name = {section.name: section for section in endpoint(planned(), "win").sections}
    assert by_name["windows"].queries == by_name["queried"].queries == (DISK,)
    assert by_name["both"].queries == ()


def test_frames_that_travel_as_a_file_have_check_sums():
    assert b"$CheckupChecksums = $false" in endpoint(planned(), "win").script
    assert b"$CheckupChecksums = $true" in endpoint(planned(), "brought").script


def test_the_fallback_of_a_host_is_part_of_the_plan_and_the_plan_survives_being_stored():
    more = ", fallback: {transport: ssh, host: win.example, credential: admin}"
    plan = planned(more)
    assert endpoint(plan, "win").fallback == "ssh"
    assert plans.from_json(plans.to_json(plan)) == plan
