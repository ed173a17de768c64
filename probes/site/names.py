"""Do all machines of the site find the same addresses behind the same names?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    PerTarget,
    Probe,
    Result,
    Scope,
    Text,
    Value,
)
from probes.host.names import Name, Names

Asked = Mapping[str, Mapping[str, Name]]  # by name, then by target


def check(facts: PerTarget[Names], levels: NoLevels, ctx: Context) -> Iterator[Result]:
    asked = _by_name(facts)
    compared = {name: on for name, on in asked.items() if len(on) > 1}
    if not compared:
        yield NotApplicable(reason="no name is declared on more than one machine")
    for name, on in compared.items():
        usual = _usual(on)
        odd = sorted(target for target, one in on.items() if not _alike(one.addresses, usual))
        fixed = sorted(target for target, one in on.items() if one.in_hosts_file)
        evidence: dict[str, Value] = {
            "machines": Number(len(on)),
            "usual": Text(", ".join(usual) or "none"),
            "odd": Text("; ".join(f"{t}: {', '.join(on[t].addresses) or 'none'}" for t in odd) or "none"),
            "fixed": Text(", ".join(fixed) or "none"),
        }
        if odd:
            yield Finding(impact=Impact.LIMITED, message="differs", item=name, evidence=evidence)
        elif fixed and len(fixed) < len(on):
            yield Finding(impact=Impact.NOTE, message="fixed", item=name, evidence=evidence)
        else:
            yield Passed(item=name, evidence=evidence)


def _by_name(facts: PerTarget[Names]) -> Asked:
    asked: dict[str, dict[str, Name]] = {}
    for target, names in facts.items():
        for one in names.names:
            asked.setdefault(one.name, {})[target] = one
    return asked


def _usual(on: Mapping[str, Name]) -> tuple[str, ...]:
    """What most machines find; () where none finds any."""
    found = Counter(one.addresses for one in on.values() if one.addresses)
    return found.most_common(1)[0][0] if found else ()


def _alike(addresses: tuple[str, ...], usual: tuple[str, ...]) -> bool:
    """Machines without IPv6 see fewer addresses of the same name: one in common is enough."""
    return addresses == usual or bool(set(addresses) & set(usual))


name_resolution = Probe(
    id="site.name-resolution",
    title="All machines find the same address behind the same name",
    check=check,
    levels=NoLevels(),
    scope=Scope.SITE,
    messages={
        "differs": "{item} leads to different addresses: usually {usual}, but {odd}.",
        "fixed": "{item} stands in the hosts file of {fixed}, and will not follow when the address changes.",
    },
    why="A machine that finds another server behind the name works on the wrong data, or not at all.",
    remedy="Remove the entry from the hosts file and correct the record of the name server.",
    verify="`getent hosts` with the name, on Windows `ping -n 1`, shows the same address on all machines.",
    references=("domain: network.name-resolution",),
)
