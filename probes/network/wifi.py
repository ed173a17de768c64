"""Does a workstation reach its file and SQL servers over Wi-Fi?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Text,
    Value,
)
from probes.network.adapters import MOBILE, UNKNOWN, VIRTUAL, WIRED, WIRELESS, Adapters
from probes.network.latency import FILE_PORT, Backend, Backends, carrier


@dataclass(frozen=True, slots=True)
class Needs:
    adapters: Adapters
    backends: Backends | None


def check(facts: Needs, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    adapters = facts.adapters
    on_air = [one for one in adapters.adapters if one.medium in (WIRELESS, MOBILE)]
    unclear = [one for one in adapters.adapters if one.medium == UNKNOWN]
    if not on_air and not unclear:
        if adapters.wireless_devices == 0:
            yield NotApplicable(reason="this machine has no Wi-Fi adapter")
        else:
            yield Passed(evidence={"connected": Number(0)})
        return
    tried = [one for one in facts.backends.backends if not one.itself] if facts.backends else []
    if not tried:
        named = ", ".join(one.name for one in on_air or unclear)
        reason = f"{named} may be wireless; declare `backends` to say what is reached over it"
        yield NotChecked(reason=reason)
    for one in tried:
        yield _judged(one, adapters)


def _judged(one: Backend, adapters: Adapters) -> Result:
    adapter = carrier(one, adapters)
    if adapter is None:
        return NotChecked(item=one.name, reason="which adapter leads to it cannot be said")
    evidence: dict[str, Value] = {
        "adapter": Text(adapter.name),
        "device": Text(adapter.device),
        "medium": Text(adapter.medium),
        "address": Text(one.address),
    }
    if adapter.medium == WIRED:
        return Passed(item=one.name, evidence=evidence)
    if adapter.medium == VIRTUAL:
        reason = f"what is below {adapter.name}, a tunnel or a virtual switch, cannot be seen"
        return NotChecked(item=one.name, reason=reason)
    if adapter.medium == UNKNOWN:
        return NotChecked(item=one.name, reason=f"{adapter.name} does not say whether it is wireless")
    # One client that writes a shared file over Wi-Fi endangers it for all; a SQL server protects itself.
    file_server = one.port == FILE_PORT
    return Finding(
        impact=Impact.MAJOR if file_server else Impact.LIMITED,
        message="file" if file_server else "sql",
        item=one.name,
        evidence=evidence,
    )


wifi_link = Probe(
    id="workstation.wifi-link",
    title="File and SQL servers are reached over a cable",
    check=check,
    levels=NoLevels(),
    messages={
        "file": "The file server {item} is reached over a {medium} adapter: {adapter} ({device}).",
        "sql": "The SQL server {item} is reached over a {medium} adapter: {adapter} ({device}).",
    },
    why="Wi-Fi loses and repeats packets, and breaks off when a laptop moves or sleeps. A connection that "
    "breaks while writing is the commonest cause of damaged Access files.",
    remedy="Connect the workstation by cable, and turn Wi-Fi off while it is connected. Where that cannot "
    "be, let it work in a terminal session.",
    verify="`route print` and `ipconfig` show that the server is reached by the wired adapter.",
    references=("domain: workstation.wifi-link",),
)
