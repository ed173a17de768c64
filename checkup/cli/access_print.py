"""What a person sees of an Access file: the judgement, then the structure as a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from checkup.api import Impact
from checkup.assessment import Outcome
from checkup.clean import clean_line
from checkup.cli.plain_text import Branch, print_line, print_tree
from checkup.collect.access_parts import file_name
from checkup.collect.access_reading import Reading
from checkup.jet.objects import ObjectKind
from checkup.report.text import BREAK, NBSP, bytes_text, count, ratio_text
from checkup.workflow.access_file import Examined, Judged

if TYPE_CHECKING:
    from checkup.jet.catalogue import Catalogue, Link, Table
    from checkup.jet.definition import Definition
    from checkup.jet.header import Header
    from checkup.jet.partition import Partition, Share

_IMPACTS: Final[Mapping[Impact, str]] = {
    Impact.DOWN: "stops the work",
    Impact.MAJOR: "serious",
    Impact.LIMITED: "limits use",
    Impact.NOTE: "for information",
}
_OBJECTS: Final[Mapping[ObjectKind, str]] = {
    "form": "Forms",
    "report": "Reports",
    "macro": "Macros",
    "module": "Modules",
    "data-access-page": "Data access pages",
}
_ENCRYPTIONS: Final[Mapping[str, str]] = {
    "none": "not encrypted",
    "rc4": "encrypted the old way of Jet, which protects nothing",
    "msisam": "encrypted by Microsoft Money",
    "unknown": "encrypted in a way that is not known",
}
_PASSWORDS: Final[Mapping[str, str]] = {
    "none": "no password",
    "set": "a password is needed to read it",
    "protects-nothing": "a password is set, but every page can be read without it",
    "unknown": "whether a password is set is not known",
}
_SIZED_KINDS: Final = ("data", "index", "long-values")


def print_examined(examined: Examined) -> None:
    _print_judgement(examined)
    print_line()
    print_tree(_tree(examined.reading))


def _line(text: str) -> str:
    """Foreign text as it is: never an escape sequence."""
    return clean_line(_plain(text), 500)


def _plain(text: str) -> str:
    return text.replace(BREAK, "").replace(NBSP, " ")


# --- the judgement ------------------------------------------------------------------------------


def _print_judgement(examined: Examined) -> None:
    findings = examined.of(Outcome.FINDING)
    notes = examined.of(Outcome.FINDING, notes=True)
    unchecked = examined.of(Outcome.NOT_CHECKED)
    passed = examined.of(Outcome.PASSED)
    print_line(_line(_verdict(examined)), bold=True)
    for what in _unread(examined.reading):
        print_line(_line(what))
    if not examined.judged:
        print_line("No probe of Access files was asked: nothing is said about this one.")
    for heading, some in (("Findings", findings), ("For information", notes)):
        if some:
            _print_heading(f"{heading} ({len(some)})")
            for one in some:
                _print_finding(one)
    if unchecked:
        _print_heading(f"Not checked ({len(unchecked)})")
        _print_unchecked(unchecked)
    if passed:
        _print_heading(f"Passed ({len(passed)})")
        for title in dict.fromkeys(_named(one) for one in passed):
            _print_indented(title)
    if examined.not_asked:
        _print_heading("Not asked")
    for depth, titles in examined.not_asked.items():
        _print_indented(f"{count(len(titles), 'check')} that only --depth {depth} can answer")


def _verdict(examined: Examined) -> str:
    findings = len(examined.of(Outcome.FINDING))
    name = file_name(examined.reading.name)
    if findings:
        return f"{name}: {count(findings, 'finding')}"
    if not examined.complete:
        return f"{name}: nothing found wrong, but not everything could be looked at"
    return f"{name}: nothing wrong, as far as the depth {examined.reading.depth!r} shows"


def _unread(reading: Reading) -> Iterable[str]:
    if reading.refused is not None:
        yield f"Not read further: {reading.refused.detail}."
    if reading.lock_unread:
        yield f"The lock file could not be read: {reading.lock_unread}."
    if reading.in_motion:
        pages = len({problem.page for problem in reading.in_motion})
        yield f"{count(pages, 'page')} changed while being read; look again when nobody works in the file."


def _print_finding(one: Judged) -> None:
    impact = one.result.impact
    label = _IMPACTS.get(impact, "") if impact else ""
    message = one.message if not one.result.item or one.result.item in one.message else _item(one)
    _print_indented(f"[{label}] {message}")
    if impact is not Impact.NOTE:
        _print_indented(f"What to do: {one.remedy}", by=4)


def _print_unchecked(unchecked: Iterable[Judged]) -> None:
    """One reason may keep many checks from being made: it is said once."""
    by_reason: dict[str, list[str]] = {}
    for one in unchecked:
        by_reason.setdefault(one.result.reason, []).append(_named(one))
    for reason, titles in by_reason.items():
        if len(titles) == 1:
            _print_indented(f"{titles[0]}: {reason}")
            continue
        _print_indented(f"{reason}:")
        for title in titles:
            _print_indented(title, by=4)


def _item(one: Judged) -> str:
    return f"{one.result.item}: {one.message}"


def _named(one: Judged) -> str:
    return f"{one.title} ({one.result.item})" if one.result.item else one.title


def _print_indented(text: str, by: int = 2) -> None:
    print_line(_line(text), by=by)


def _print_heading(text: str) -> None:
    print_line()
    print_line(text, bold=True)


# --- the structure ------------------------------------------------------------------------------


def _tree(reading: Reading) -> Branch:
    header = reading.header
    share = ratio_text(reading.stat.size_bytes / header.layout.most_bytes)
    limit = bytes_text(header.layout.most_bytes)
    size = bytes_text(reading.stat.size_bytes)
    version = f"{header.version.name} (Access {header.version.access})"
    root = Branch(_line(f"{file_name(reading.name)}: {size} of {limit} ({share}), {version}"))
    root.add(_line(_protection(header)))
    placed = None if reading.integrity is None else reading.integrity.partition
    if placed is not None:
        _add_space(root, placed, header.page_size)
    catalogue = reading.catalogue
    if catalogue is not None:
        _add_tables(root, catalogue, placed, reading)
        _add_links(root, catalogue.links)
        _add_relationships(root, catalogue)
        _add_queries(root, catalogue)
        _add_objects(root, catalogue)
    _add_lock(root, reading)
    cost = reading.cost
    requests, rounds = count(cost.requests, "request"), count(cost.rounds, "round")
    root.add(_line(f"Cost: {cost.bytes:,} bytes read in {requests}, {rounds}"))
    return root


def _protection(header: Header) -> str:
    encryption = _ENCRYPTIONS.get(header.encryption, f"encrypted ({header.encryption})")
    created = "" if header.created is None else f", made {header.created:%Y-%m-%d}"
    return f"{encryption[0].upper()}{encryption[1:]}, {_PASSWORDS[header.password]}{created}"


def _add_space(root: Branch, placed: Partition, page_size: int) -> None:
    from checkup.jet.partition import FREE, ORPHAN

    pages = f"Space: {count(len(placed), 'page')} of {bytes_text(page_size)}"
    free, lost = placed.count(FREE) * page_size, placed.count(ORPHAN) * page_size
    doubt = "" if placed.complete else "; not all maps could be read"
    root.add(_line(f"{pages}; free {bytes_text(free)}, lost until compacted {bytes_text(lost)}{doubt}"))


def _add_tables(root: Branch, catalogue: Catalogue, placed: Partition | None, reading: Reading) -> None:
    shares: dict[int, list[Share]] = {}
    for share in () if placed is None else placed.shares:
        shares.setdefault(share.owner, []).append(share)
    sizes = {
        page: sum(one.pages for one in owned if one.kind in _SIZED_KINDS) * reading.header.page_size
        for page, owned in shares.items()
    }
    tables = sorted(
        catalogue.user_tables(),
        key=lambda table: (-sizes.get(table.object.definition_page, 0), table.name.casefold()),
    )
    branch = root.add(_line(f"Tables ({len(tables)})"))
    for table in tables:
        page = table.object.definition_page
        _add_table(branch, table, shares.get(page), sizes.get(page), reading)
    system = [table for table in catalogue.tables if table.object.is_system]
    space = "" if placed is None else f", {bytes_text(sum(_size(table, sizes) for table in system))}"
    root.add(_line(f"Tables of the system ({len(system)}){space}"))


def _size(table: Table, sizes: Mapping[int, int]) -> int:
    return sizes.get(table.object.definition_page, 0)


def _add_table(
    branch: Branch, table: Table, shares: list[Share] | None, size: int | None, reading: Reading
) -> None:
    if table.definition is None:
        branch.add(_line(f"{table.name}: its definition cannot be read"))
        return
    definition = table.definition
    facts = [count(definition.row_count, "row"), count(len(definition.columns), "column")]
    if size is not None:
        facts += [bytes_text(size), f"{ratio_text(size / (reading.stat.size_bytes or 1))} of the file"]
    node = branch.add(_line(f"{table.name}: {', '.join(facts)}"))
    pages = {(one.kind, one.part): one.pages for one in shares or ()}
    page_size = reading.header.page_size
    for index in definition.indexes:
        data = definition.index_data[index.data_number]
        kind = {"primary": "primary key", "foreign": "of a relationship"}.get(
            index.kind, "unique index" if data.is_unique else "index"
        )
        space = pages.get(("index", index.data_number))
        shown = "" if space is None else f", {bytes_text(space * page_size)}"
        node.add(_line(f"{index.name} ({_columns(definition, index.data_number)}): {kind}{shown}"))
    for column in definition.columns:
        space = pages.get(("long-values", column.number))
        if space:
            node.add(_line(f"{column.name}: long values, {bytes_text(space * page_size)}"))


def _columns(definition: Definition, data_number: int) -> str:
    numbers = [one.number for one in definition.index_data[data_number].columns]
    known = definition.column_by_number
    return ", ".join(known[number].name if number in known else "?" for number in numbers)


def _add_links(root: Branch, links: Iterable[Link]) -> None:
    shown: list[str] = []
    for link in links:
        target = link.target
        if target is None:
            shown.append(f"{link.name}: its target cannot be read")
            continue
        place = " ".join(filter(None, (target.server or target.data_source, target.database)))
        password = ", keeps a password" if target.keeps_password else ""
        table = link.object.foreign_name or link.name
        shown.append(f"{link.name}: {table} in {place or 'a place that is not named'}{password}")
    _add_list(root, "Linked tables", shown)


def _add_relationships(root: Branch, catalogue: Catalogue) -> None:
    shown = [
        f"{one.child} ({', '.join(one.child_columns)}) to {one.parent} ({', '.join(one.parent_columns)})"
        + ("" if one.is_enforced else ", not enforced")
        + (", deletes along" if one.cascades_deletes else "")
        for one in catalogue.relationships
        if not one.concerns_system
    ]
    _add_list(root, "Relationships", shown)


def _add_queries(root: Branch, catalogue: Catalogue) -> None:
    shown = [
        f"{one.name}: {one.kind}" + (f" from {', '.join(sources)}" if sources else "")
        for one in catalogue.queries
        if not one.belongs_to_object
        for sources in ([source.name for source in one.sources if source.name],)
    ]
    _add_list(root, "Queries", shown)


def _add_objects(root: Branch, catalogue: Catalogue) -> None:
    made = catalogue.customisations()
    for kind, title in _OBJECTS.items():
        _add_list(root, title, [one.name for one in made if one.kind == kind])


def _add_lock(root: Branch, reading: Reading) -> None:
    if reading.lock is not None:
        machines = [entry.machine for entry in reading.lock.content.entries]
        _add_list(root, "Lock file: machines that have been in it since it was made", machines, always=True)
    elif not reading.lock_unread:
        root.add("No lock file beside it")


def _add_list(root: Branch, title: str, shown: list[str], *, always: bool = False) -> None:
    if shown or always:
        branch = root.add(_line(f"{title} ({len(shown)})"))
        for text in sorted(shown, key=str.casefold):
            branch.add(_line(text))
