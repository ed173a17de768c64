"""Finds the probes, built-in and installed, and refuses bad ones by name.

Built-in probes come through the same entry-point group as a third party's. An entry point names a
module or a package; a package is walked, so a new probe is a new file and nothing else.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from checkup.api import (
    API_VERSION,
    Declared,
    Parameter,
    PerTarget,
    Probe,
    Sampled,
    Scope,
    Section,
    Source,
    Sql,
    Target,
    Wmi,
)
from checkup.lint_stamp import STAMP_FILE, collector_digest, read_stamp

if TYPE_CHECKING:  # who judges one Access file has no site file, and does not wait for its models
    from checkup.site import LoadedSite, Problem, Site

GROUP = "checkup.probes"
SINCE = "since"  # the one parameter that the store fills in: the time of the last visit

AnyProbe = Probe[Any]
AnySection = Section[Any]


class CatalogueError(Exception):
    """A probe or section cannot be used; the message names it and the package it came from."""


@dataclass(frozen=True, slots=True)
class Need:
    """One section a probe needs: the field of its `Needs` dataclass ("" for the facts themselves)."""

    field: str
    section: AnySection
    optional: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A probe as the catalogue found it. `linted`: every collector has the lint's stamp."""

    probe: AnyProbe
    needs: tuple[Need, ...]
    needs_type: type[Any] | None
    module: str
    linted: bool

    @property
    def sections(self) -> tuple[AnySection, ...]:
        return tuple(need.section for need in self.needs)


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: Mapping[str, Entry]
    sections: Mapping[str, AnySection]

    def named(self, text: str) -> list[Entry]:
        """The probes an id, an alias, or an area ("host") names; empty if none."""
        return [
            entry
            for entry in self.entries.values()
            if text == entry.probe.id or text in entry.probe.aliases or entry.probe.id.startswith(text + ".")
        ]

    def nearest(self, text: str) -> str:
        """The known id most like `text`, or ""."""
        return next(iter(difflib.get_close_matches(text, list(self.entries), 1)), "")

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(name for section in self.sections.values() for name in section.parameters)

    def asking(self, name: str) -> list[Parameter]:
        """What the sections that know a parameter of this name say of it."""
        return [one.parameters[name] for one in self.sections.values() if name in one.parameters]


# What can collect facts of a machine, or of a file on it: its own collectors, and those that need no shell;
# and of a SQL instance.
_SOURCES: Mapping[str, frozenset[Source]] = {
    "posix": frozenset({"posix", "local", "connection", "access"}),
    "windows": frozenset({"windows", "cim", "local", "connection", "access", "sampled"}),
    "sqlserver": frozenset({"sqlserver", "connection", "sampled"}),
    "postgresql": frozenset({"postgresql", "connection", "sampled"}),
    "mariadb": frozenset({"mariadb", "connection", "sampled"}),
}


def collectable(section: AnySection, target: Target) -> bool:
    """Is there a collector of this section for the target's platform, or its engine?"""
    sources = _SOURCES.get(target.platform or target.kind)
    return sources is None or not sources.isdisjoint(section.collect)


def applies(entry: Entry, target: Target) -> bool:
    """Is the probe asked of this target: of its kind and role, and on a platform that has its facts?"""
    if entry.probe.roles and target.role and target.role not in entry.probe.roles:
        return False
    needed = (need.section for need in entry.needs if not need.optional)
    return target.kind == entry.probe.kind and all(collectable(section, target) for section in needed)


def sampled_of(section: AnySection) -> str:
    """The section that this one holds samples of; "" for one that is collected itself."""
    collector = section.collect.get("sampled")
    return collector.of if isinstance(collector, Sampled) else ""


def is_sampled(section: AnySection, source: Source | None = None) -> bool:
    """Does `checkup sample` take this section: by any of its collectors, or by that of `source`?"""
    asked = [one for name, one in section.collect.items() if source in (None, name)]
    return any(isinstance(one, Sql | Wmi) and one.sampled for one in asked)


def load() -> Catalogue:
    """Every probe of every installed package in the entry-point group."""
    import importlib.metadata  # takes as long as all of this module, and not everyone loads every package

    modules: list[ModuleType] = []
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        modules.extend(_modules(point.value.partition(":")[0], point.name))
    return build(modules)


def build(modules: Iterable[ModuleType]) -> Catalogue:
    """A catalogue of the probes and sections that stand at the top level of these modules."""
    modules = list(dict.fromkeys(modules))
    sections = _sections(modules)
    by_facts: dict[type[Any], AnySection] = {}
    for section in sections.values():
        if by_facts.setdefault(section.facts, section) is not section:
            raise CatalogueError(
                f"sections {by_facts[section.facts].name!r} and {section.name!r} both give "
                f"{section.facts.__qualname__}; a fact type has one section"
            )
        if (of := sampled_of(section)) and (of not in sections or not is_sampled(sections[of])):
            raise CatalogueError(
                f"section {section.name!r} is made of samples of {of!r}, which nothing samples"
            )
    stamps = _stamps(modules)
    entries: dict[str, Entry] = {}
    for module in modules:
        for value in vars(module).values():
            if not isinstance(value, Probe):
                continue
            probe = cast("AnyProbe", value)
            entry = _entry(probe, module, by_facts, sections, stamps)
            known = entries.setdefault(probe.id, entry)
            if known.probe is not probe:
                raise CatalogueError(
                    f"two probes have the id {probe.id!r}: one in {known.module}, one in {module.__name__}; "
                    "rename or uninstall one of them"
                )
    return Catalogue(dict(sorted(entries.items())), dict(sorted(sections.items())))


def _modules(name: str, entry_point: str) -> Iterator[ModuleType]:
    module = _import(name, entry_point)
    yield module
    for info in pkgutil.walk_packages(getattr(module, "__path__", []), name + "."):
        yield _import(info.name, entry_point)


def _import(name: str, entry_point: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise CatalogueError(
            f"probe package {entry_point!r}: module {name} cannot be imported: {why}"
        ) from error


def _sections(modules: Iterable[ModuleType]) -> dict[str, AnySection]:
    sections: dict[str, AnySection] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Section):
                section = cast("AnySection", value)
                if sections.setdefault(section.name, section) is not section:
                    raise CatalogueError(
                        f"two sections have the name {section.name!r}, one in {module.__name__}"
                    )
    return sections


def _stamps(modules: Iterable[ModuleType]) -> Mapping[str, str]:
    stamps: dict[str, str] = {}
    for module in modules:
        for folder in getattr(module, "__path__", []):
            file = Path(folder) / STAMP_FILE
            if file.is_file():
                stamps.update(_stamp(file))
    return stamps


def _stamp(file: Path) -> Mapping[str, str]:
    try:
        return read_stamp(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CatalogueError(f"{file} is no lint stamp ({error}); make it anew") from error


def _entry(
    probe: AnyProbe,
    module: ModuleType,
    by_facts: Mapping[type[Any], AnySection],
    sections: Mapping[str, AnySection],
    stamps: Mapping[str, str],
) -> Entry:
    where = f"probe {probe.id!r} in {module.__name__}"
    if probe.api != API_VERSION:
        raise CatalogueError(f"{where} is made for API {probe.api}; this is API {API_VERSION}")
    needs_type, needs = _needs(probe, by_facts, where)
    needed = [need.section for need in needs]
    needed += [sections[of] for section in needed if (of := sampled_of(section))]
    linted = all(stamps.get(section.name) == collector_digest(section) for section in needed)
    return Entry(probe, needs, needs_type, module.__name__, linted)


def _needs(
    probe: AnyProbe, by_facts: Mapping[type[Any], AnySection], where: str
) -> tuple[type[Any] | None, tuple[Need, ...]]:
    """The sections behind the type of the check's first parameter."""
    first = next(iter(inspect.signature(probe.check).parameters), "")
    try:
        wanted: Any = typing.get_type_hints(probe.check).get(first)
    except NameError as error:
        raise CatalogueError(f"{where}: the type of {first!r} cannot be resolved: {error}") from error
    if typing.get_origin(wanted) is PerTarget:
        if probe.scope is not Scope.SITE:
            raise CatalogueError(f"{where} asks for PerTarget facts, so its scope must be the site")
        return None, (Need("", _section(typing.get_args(wanted)[0], by_facts, where), False),)
    if probe.scope is Scope.SITE:
        raise CatalogueError(f"{where} has site scope, so its check must take PerTarget[...] facts")
    if wanted in by_facts:
        return None, (Need("", by_facts[wanted], False),)
    if not (isinstance(wanted, type) and dataclasses.is_dataclass(wanted)):
        raise CatalogueError(f"{where}: no section gives {wanted}, the type of {first!r}")
    hints = typing.get_type_hints(wanted)
    return wanted, tuple(_need(name, hints[name], by_facts, where) for name in hints)


def _need(name: str, hint: Any, by_facts: Mapping[type[Any], AnySection], where: str) -> Need:
    options = [t for t in typing.get_args(hint) if t is not types.NoneType] if _is_union(hint) else [hint]
    optional = _is_union(hint) and types.NoneType in typing.get_args(hint)
    if len(options) != 1:
        raise CatalogueError(f"{where}: field {name!r} must ask for one fact type, or one `| None`")
    return Need(name, _section(options[0], by_facts, where), optional)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _section(facts: Any, by_facts: Mapping[type[Any], AnySection], where: str) -> AnySection:
    if facts not in by_facts:
        raise CatalogueError(f"{where}: no section gives {getattr(facts, '__qualname__', facts)}")
    return by_facts[facts]


# --- what a site file may say about probes ----------------------------------------------------


def check_site(loaded: LoadedSite, catalogue: Catalogue) -> None:
    """Levels, declarations and waivers name what exists, with the right types.

    Raises SiteFileError with the place of every problem.
    """
    from checkup.site import SiteFileError

    problems = [*_level_problems(loaded, catalogue), *_name_problems(loaded, catalogue)]
    if problems:
        raise SiteFileError(problems, loaded.path)


def _level_problems(loaded: LoadedSite, catalogue: Catalogue) -> Iterator[Problem]:
    for keypath, probe_id, given in _level_sets(loaded.site):
        found = [entry for entry in catalogue.named(probe_id) if "." in probe_id]
        if not found:
            yield _problem(loaded, keypath, f"there is no probe {probe_id!r}", catalogue.nearest(probe_id))
            continue
        defaults = found[0].probe.levels
        for name, value in given.items():
            if name == "items":
                for item, overrides in value.items():
                    for field, number in overrides.items():
                        yield from _value_problems(loaded, (*keypath, "items", item), defaults, field, number)
            else:
                yield from _value_problems(loaded, keypath, defaults, name, value)


def _level_sets(site: Site) -> Iterator[tuple[tuple[str | int, ...], str, Mapping[str, Any]]]:
    for probe_id, given in site.levels.items():
        yield ("levels", probe_id), probe_id, given
    for tag, settings in site.tags.items():
        for probe_id, given in settings.levels.items():
            yield ("tags", tag, "levels", probe_id), probe_id, given
    for kind, given_to in (("hosts", site.hosts), ("access", site.access), ("sql", site.sql)):
        for index, one in enumerate(given_to):
            for probe_id, given in one.levels.items():
                yield (kind, index, "levels", probe_id), probe_id, given


def _value_problems(
    loaded: LoadedSite, keypath: tuple[str | int, ...], defaults: Any, name: str, value: Any
) -> Iterator[Problem]:
    fields = {field.name: getattr(defaults, field.name) for field in dataclasses.fields(defaults)}
    if name not in fields:
        nearest = next(iter(difflib.get_close_matches(name, list(fields), 1)), "")
        known = ", ".join(fields) or "none at all"
        yield _problem(loaded, (*keypath, name), f"unknown level (known: {known})", nearest)
    elif _typed(value, fields[name]) is None:
        wanted = type(fields[name]).__name__
        yield _problem(loaded, (*keypath, name), f"must be of type {wanted}, like {fields[name]!r}", "")


def _typed(value: Any, default: Any) -> Any:
    """`value` as the type of `default`, or None if it is of another type."""
    if isinstance(default, bool) or isinstance(value, bool):
        return value if isinstance(default, bool) and isinstance(value, bool) else None
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(cast("list[Any]", value))
    return value if type(value) is type(cast("object", default)) else None


def _name_problems(loaded: LoadedSite, catalogue: Catalogue) -> Iterator[Problem]:
    declarable = catalogue.parameters - {SINCE}
    site = loaded.site
    declared_by = [("hosts", site.hosts), ("access", site.access), ("sql", site.sql)]
    places = [(kind, index, one) for kind, given in declared_by for index, one in enumerate(given)]
    for kind, index, one in places:
        for name, value in one.declare.items():
            keypath = (kind, index, "declare", name)
            if name in declarable:
                # What a host declares goes into a script, which takes one text as well as a list of one.
                if kind != "hosts":
                    yield from _declaration_problems(loaded, keypath, value, catalogue.asking(name))
            else:
                nearest = next(iter(difflib.get_close_matches(name, list(declarable), 1)), "")
                known = ", ".join(sorted(declarable))
                yield _problem(loaded, keypath, f"no probe asks for this (known: {known})", nearest)
    for index, waiver in enumerate(loaded.site.waivers):
        if not catalogue.named(waiver.probe):
            keypath = ("waivers", index, "probe")
            yield _problem(
                loaded, keypath, f"there is no probe {waiver.probe!r}", catalogue.nearest(waiver.probe)
            )


# What each kind of parameter takes, and how it is written.
_DECLARED: Mapping[str, tuple[type[Any], str, str]] = {
    "integer": (int, "a whole number", "write digits alone, without quotes or a unit"),
    "instant": (int, "a moment in seconds since 1970", "write digits alone"),
    "text": (str, "text", "write it in quotes"),
    "texts": (tuple, "a list of texts", 'write it in brackets, like ["one", "two"]'),
}


def _declaration_problems(
    loaded: LoadedSite, keypath: tuple[str | int, ...], value: Any, asked: Sequence[Parameter]
) -> Iterator[Problem]:
    """A value of a kind that none of the sections that ask for it can use."""
    from checkup.site import Problem

    if any(type(value) is _DECLARED[one.kind][0] for one in asked):
        return
    _, wanted, hint = _DECLARED[asked[0].kind]
    about = f" ({asked[0].doc})" if asked[0].doc else ""
    yield Problem(loaded.source.at(keypath), keypath, f"must be {wanted}{about}", hint)


def _problem(loaded: LoadedSite, keypath: tuple[str | int, ...], message: str, nearest: str) -> Problem:
    from checkup.site import Problem

    return Problem(
        position=loaded.source.key_at(keypath),
        keypath=keypath,
        message=message,
        hint=f"did you mean {nearest!r}?" if nearest else "",
    )


# --- levels in force --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LevelsInForce:
    """One probe's levels on one target: `base` for all items, `items` for those with their own."""

    base: Any
    items: Mapping[str, Any]


def levels_in_force(probe: AnyProbe, site: Site, target: Target) -> LevelsInForce:
    """default < site < tag < target < item, the later wins."""
    host = next((h for h in (*site.hosts, *site.access, *site.sql) if h.id == target.endpoint), None)
    given: list[Mapping[str, Any]] = [_given(site.levels, probe)]
    given += [_given(site.tags[tag].levels, probe) for tag in target.tags if tag in site.tags]
    if host is not None:
        given.append(_given(host.levels, probe))
    base = probe.levels
    items: dict[str, dict[str, Any]] = {}
    for overrides in given:
        base = _replaced(base, {k: v for k, v in overrides.items() if k != "items"})
        for item, own in dict(overrides.get("items", {})).items():
            items.setdefault(item, {}).update(own)
    return LevelsInForce(base, {item: _replaced(base, own) for item, own in items.items()})


def _given(levels: Mapping[str, Mapping[str, Any]], probe: AnyProbe) -> Mapping[str, Any]:
    names = (probe.id, *probe.aliases)
    return next((levels[name] for name in names if name in levels), cast("Mapping[str, Any]", {}))


def _replaced(levels: Any, overrides: Mapping[str, Any]) -> Any:
    typed = {name: _typed(value, getattr(levels, name)) for name, value in overrides.items()}
    return dataclasses.replace(levels, **typed)


def declared(section: AnySection, target: Target, since: int) -> dict[str, Declared]:
    """The values of a section's parameters on a target; `since` in epoch seconds."""
    values: dict[str, Declared] = {}
    for name, parameter in section.parameters.items():
        value = since if name == SINCE else target.declare.get(name, parameter.default)
        if value is None:
            value = {"integer": 0, "instant": 0, "text": "", "texts": ()}[parameter.kind]
        values[name] = value
    return values
