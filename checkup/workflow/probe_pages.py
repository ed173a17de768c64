"""The probes as pages to read: one for the terminal and all for docs/probes.md."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from checkup.api import AccessFile, Connection, PowerShell, Psutil, Sampled, Shell, Sql, Wmi
from checkup.catalogue import Catalogue, Entry
from checkup.sql.texts import shown


def page(entry: Entry) -> str:
    """One probe in Markdown: what it asks, why, its levels, and every command it needs."""
    return "\n".join(_lines(entry, commands=True))


def catalogue_page(catalogue: Catalogue) -> str:
    """Every probe, without the commands (`checkup probes show ID` and `checkup plan` print those)."""
    lines = [
        "# The probes",
        "",
        "Made by `checkup probes docs`; do not edit. `checkup probes show ID` also prints the commands.",
    ]
    for entry in catalogue.entries.values():
        lines += ["", *_lines(entry, commands=False)]
    return "\n".join(lines) + "\n"


def _lines(entry: Entry, *, commands: bool) -> Iterator[str]:
    probe = entry.probe
    yield f"## {probe.id}"
    yield ""
    yield f"**{probe.title}.** {probe.why}"
    yield ""
    yield f"- Remedy: {probe.remedy}"
    yield f"- To verify: {probe.verify}"
    yield f"- Visits: {', '.join(sorted(visit.value for visit in probe.visits))}; scope: {probe.scope.value}"
    yield f"- Rights: {probe.rights}"
    levels = [
        f"`{field.name}` = {getattr(probe.levels, field.name)}" for field in dataclasses.fields(probe.levels)
    ]
    yield f"- Levels: {', '.join(levels) or 'none'}"
    yield f"- Sections: {', '.join(section.name for section in entry.sections)}"
    yield f"- What leaves the machine: {'; '.join(dict.fromkeys(s.privacy for s in entry.sections))}"
    for section in entry.sections:
        collector = section.collect.get("windows")
        if isinstance(collector, PowerShell | Wmi):
            yield f"- On Windows, `{section.name}`: {_paid(collector)}"
    if probe.aliases:
        yield f"- Formerly: {', '.join(probe.aliases)}"
    if probe.references:
        yield f"- References: {', '.join(probe.references)}"
    if not entry.linted:
        yield "- Its collectors do not have the stamp of the read-only lint."
    if commands:
        for section in entry.sections:
            for source, collector in section.collect.items():
                match collector:
                    case Shell(script, timeout_s):
                        yield f"\n`{section.name}` on {source}, at most {timeout_s} s:\n"
                        yield f"```sh\n{script.strip()}\n```"
                    case PowerShell(script, timeout_s):
                        yield f"\n`{section.name}` on {source}, {_paid(collector)}:\n"
                        yield f"```powershell\n{script.strip()}\n```"
                    case Wmi(queries):
                        yield f"\n`{section.name}` on {source}, {_paid(collector)}:\n"
                        asked = "\n".join(f"{query.namespace}: {query.wql}" for query in queries)
                        yield f"```sql\n{asked}\n```"
                    case AccessFile(parts, depth):
                        looked = f"{', '.join(parts)}, to the depth {depth!r}"
                        yield f"\n`{section.name}` of an Access file: {looked}"
                    case Sql():
                        yield f"\n`{section.name}` on {source}, {_asked(collector)}:\n"
                        yield f"```sql\n{shown(collector)}\n```"
                    case Psutil(read):
                        function = f"{read.__module__}.{read.__qualname__}"
                        yield f"\n`{section.name}` on this machine: psutil, by {function}"
                    case Sampled(of):
                        yield f"\n`{section.name}`: what `checkup sample` took of `{of}`"
                    case Connection():
                        yield f"\n`{section.name}`: the connection's own facts; nothing is run for it"


def _asked(collector: Sql) -> str:
    where = "the instance" if collector.scope == "server" else "each database"
    deep = ", only with --deep" if collector.cost == "large" else ""
    return f"of {where}, at most {collector.timeout_s} s, cost {collector.cost}{deep}"


def _paid(collector: PowerShell | Wmi) -> str:
    rights = collector.rights.replace("-", " ")
    return f"at most {collector.timeout_s} s, as {rights}, cost {collector.cost}"
