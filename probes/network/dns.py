"""The name servers that a Windows machine asks."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Text,
    Value,
    When,
)
from probes.network.adapters import Adapters


def check(facts: Adapters, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    leading_out = [adapter for adapter in facts.adapters if adapter.gateways]
    if not leading_out:
        yield NotApplicable(reason="no network adapter has a way out")
        return
    # Windows asks those of every adapter, the connected ones first.
    servers = tuple(dict.fromkeys(server for adapter in leading_out for server in adapter.name_servers))
    public = tuple(server for server in servers if _public(server))
    evidence: dict[str, Value] = {
        "servers": Text(", ".join(servers) or "none"),
        "public": Text(", ".join(public) or "none"),
        "count": Number(len(servers)),
    }
    if not servers:
        yield Finding(impact=Impact.LIMITED, message="none", evidence=evidence)
    elif public and facts.domain_member:
        yield Finding(impact=Impact.LIMITED, message="public", evidence=evidence)
    elif len(servers) == 1 and facts.domain_member:
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="single", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


def _public(server: str) -> bool:
    try:
        return ip_address(server.partition("%")[0]).is_global
    except ValueError:
        return False


name_servers = Probe(
    id="network.dns-servers",
    title="The machine asks the site's own name servers",
    check=check,
    levels=NoLevels(),
    messages={
        "none": "This machine has no name server.",
        "public": "This member of a domain also asks public name servers ({public}), which do not know the "
        "site's own machines.",
        "single": "This member of a domain has only one name server ({servers}).",
    },
    why="When the site's own name server is slow once, Windows asks the next one and keeps to it. A public "
    "one knows neither file server nor domain: programs cannot find their data, logins take minutes.",
    remedy="Enter only the site's own name servers, two of them, in DHCP or in the adapter's settings; let "
    "those forward to public ones.",
    verify="`ipconfig /all` lists only the site's own name servers.",
    references=("domain: network.name-resolution",),
)
