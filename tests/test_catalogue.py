from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from checkup import catalogue
from checkup.api import JSON, Context, Passed, PerTarget, Probe, Result, Scope, Section, Shell
from checkup.catalogue import CatalogueError, build, check_site, levels_in_force
from checkup.site import LoadedSite, SiteFileError, load_text


@dataclass(frozen=True)
class Fact:
    n: int


@dataclass(frozen=True)
class Levels:
    high: float = 5.0
    names: tuple[str, ...] = ()
    strict: bool = False


def parse(raw: JSON, source: str, version: int) -> Fact:
    return Fact(int(str(raw)))


def check(facts: Fact, levels: Levels, ctx: Context) -> Iterator[Result]:
    yield Passed()


def fact_section(name: str = "fact") -> Section[Fact]:
    return Section(name=name, facts=Fact, collect={"posix": Shell("echo 1")}, parse=parse)


def probe(id: str = "test.one", check: Any = check, **more: Any) -> Probe[Levels]:
    texts = dict.fromkeys(("title", "why", "remedy", "verify"), "text")
    return Probe(id=id, check=check, levels=Levels(), messages={}, **texts, **more)


def module(**values: object) -> ModuleType:
    made = ModuleType("sample")
    vars(made).update(values)
    return made


def refused(match: str, **values: object) -> None:
    with pytest.raises(CatalogueError, match=match):
        build([module(**values)])


def test_the_built_in_probes_are_found_and_all_linted():
    found = catalogue.load()
    assert len(found.entries) >= 16
    assert [entry.probe.id for entry in found.entries.values() if not entry.linted] == []


def test_a_probe_finds_its_section_by_the_type_of_its_facts():
    entry = build([module(s=fact_section(), p=probe())]).entries["test.one"]
    assert [section.name for section in entry.sections] == ["fact"]


def test_a_probe_whose_facts_nobody_gives_is_refused_by_name():
    refused("test.one.*no section gives", p=probe())


def test_two_probes_of_one_id_stop_the_run_by_name():
    refused("two probes have the id 'test.one'", s=fact_section(), p=probe(), q=probe())


def test_two_sections_of_one_name_or_one_fact_type_are_refused():
    refused("two sections have the name", s=fact_section(), t=fact_section())
    refused("a fact type has one section", s=fact_section(), t=fact_section("other"))


def site_check(facts: PerTarget[Fact], levels: Levels, ctx: Context) -> Iterator[Result]:
    yield Passed()


def test_scope_and_facts_must_agree():
    build([module(s=fact_section(), p=probe(check=site_check, scope=Scope.SITE))])
    refused("scope must be the site", s=fact_section(), p=probe(check=site_check))
    refused("must take PerTarget", s=fact_section(), p=probe(scope=Scope.SITE))


def test_an_unlinted_collector_is_named():
    assert not build([module(s=fact_section(), p=probe())]).entries["test.one"].linted


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A third party's package with one probe, installed as pip would leave it."""
    (tmp_path / "clinic_probes.py").write_text(
        dedent(
            """
            from __future__ import annotations
            from collections.abc import Iterator
            from dataclasses import dataclass
            from checkup.api import JSON, Context, NoLevels, Passed, Probe, Result, Section, Shell

            @dataclass(frozen=True)
            class Answer:
                text: str

            def parse(raw: JSON, source: str, version: int) -> Answer:
                return Answer(str(raw))

            def check(facts: Answer, levels: NoLevels, ctx: Context) -> Iterator[Result]:
                yield Passed()

            collect = {"posix": Shell("echo 42")}
            answer = Section(name="clinic-answer", facts=Answer, collect=collect, parse=parse)
            probe = Probe(id="clinic.answer", title="The clinic answers", check=check, levels=NoLevels(),
                          messages={}, why="w", remedy="r", verify="v")
            """
        )
    )
    info = tmp_path / "clinic_probes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clinic-probes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[checkup.probes]\nclinic = clinic_probes\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("clinic_probes", None)


def test_a_third_partys_probe_comes_in_by_its_entry_point(external: Path):
    found = catalogue.load()
    assert "clinic.answer" in found.entries
    assert not found.entries["clinic.answer"].linted
    assert "host.volume-space" in found.entries


def test_a_broken_package_stops_the_run_by_name(external: Path):
    (external / "clinic_probes.py").write_text("import no_such_module\n")
    with pytest.raises(CatalogueError, match=r"'clinic'.*clinic_probes.*no_such_module"):
        catalogue.load()


# --- what a site file may say about probes -------------------------------------------------------

SITE = """\
version: 1
site: {{id: s, name: S, timezone: UTC, country: US}}
contract: {{package: deluxe, installed: 2026-01-01}}
levels: {{{levels}}}
tags: {{big: {{levels: {{test.one: {{high: 7}}}}}}}}
hosts:
  - id: a
    tags: [big]
    connect: local
    levels: {{test.one: {{items: {{/srv: {{high: 9}}}}}}}}
  - {{id: b, connect: local}}
"""
CATALOGUE = build([module(s=fact_section(), p=probe(aliases=("test.old",)))])


def site(levels: str = "") -> LoadedSite:
    return load_text(SITE.format(levels=levels), path=Path("site.yaml"), today=date(2026, 6, 1))


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ("test.on: {high: 1}", r"site.yaml:4:10: levels.test.on: there is no probe 'test.on' .*'test.one'"),
        ("test.one: {hihg: 1}", r"site.yaml:4:21: levels.test.one.hihg: unknown level .*'high'"),
        ("test.one: {high: much}", r"4:\d+: levels.test.one.high: must be of type float"),
        ("test.one: {strict: 1}", r"must be of type bool"),
        ("test.one: {items: {/: {hihg: 1}}}", r"unknown level"),
    ],
)
def test_a_wrong_level_is_an_error_with_its_place(levels: str, message: str):
    with pytest.raises(SiteFileError, match=message):
        check_site(site(levels), CATALOGUE)


def test_levels_default_then_site_then_tag_then_target_then_item():
    loaded = site("test.old: {high: 6}")
    check_site(loaded, CATALOGUE)
    a, b = loaded.site.targets()
    one = CATALOGUE.entries["test.one"].probe
    assert levels_in_force(one, loaded.site, b).base == Levels(high=6.0)
    on_a = levels_in_force(one, loaded.site, a)
    assert (on_a.base.high, on_a.items["/srv"].high) == (7.0, 9.0)
