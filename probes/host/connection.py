"""The way to a machine: does it answer, and is it the machine it should be?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from checkup.api import (
    JSON,
    SUPPORTABILITY,
    Connection,
    Context,
    Duration,
    ErrorClass,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    NotChecked,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Value,
    When,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """What the connection says about itself, reached or not. Empty texts and None: not known."""

    transport: str
    address: str
    via: str = ""  # the ssh host that it was reached through; "" is not by none, a VPN is not seen
    reached: bool
    error: ErrorClass | None
    detail: str
    round_trip_s: float | None
    host_key: str
    host_key_check: str
    obsolete: bool
    algorithms: str
    identity: str
    identity_check: str
    clock_offset_s: float | None
    clock_error_s: float | None


def parse(raw: JSON, source: str, version: int) -> Reached:
    if not isinstance(raw, dict):
        raise ValueError("the connection's facts are no object")
    given = cast(Mapping[str, Any], raw)
    error = given.get("error")
    return Reached(
        transport=str(given["transport"]),
        address=_text(given, "address"),
        via=_text(given, "jump"),
        reached=bool(given["reached"]),
        error=ErrorClass(error) if error else None,
        detail=_text(given, "detail"),
        round_trip_s=_seconds(given, "round_trip_s"),
        host_key=_text(given, "host_key"),
        host_key_check=_text(given, "host_key_check"),
        obsolete=bool(given.get("offers_only_obsolete")),
        algorithms=_text(given, "algorithms"),
        identity=_text(given, "identity"),
        identity_check=_text(given, "identity_check"),
        clock_offset_s=_seconds(given, "clock_offset_s"),
        clock_error_s=_seconds(given, "clock_error_s"),
    )


def _text(given: Mapping[str, Any], key: str) -> str:
    return str(given.get(key) or "")


def _seconds(given: Mapping[str, Any], key: str) -> float | None:
    value = given.get(key)
    return None if value is None else float(value)


connection = Section(
    name="connection",
    facts=Reached,
    collect={"connection": Connection()},
    parse=parse,
    privacy="address, host key, round trip and clock of the machine",
)

# Who answered is in doubt: a matter of host.identity, not of the way there.
IN_DOUBT = frozenset({ErrorClass.HOST_KEY, ErrorClass.IDENTITY})


def check_reachable(facts: Reached, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"address": Text(facts.address), "detail": Text(facts.detail)}
    if facts.round_trip_s is not None:
        evidence["round_trip"] = Duration(facts.round_trip_s)
    if facts.error is ErrorClass.OPTED_OUT:
        yield NotChecked(reason=facts.detail or "this machine is never contacted", error=facts.error)
    elif facts.error in IN_DOUBT:
        yield NotChecked(reason="it answered, but its identity is in doubt", error=facts.error)
    elif facts.error is not None:
        obsolete = facts.obsolete and facts.error is ErrorClass.UNSUPPORTED
        if obsolete:
            evidence["algorithms"] = Text(facts.algorithms)
        yield Finding(
            impact=Impact.MAJOR,
            function=SUPPORTABILITY,
            when=When.NOW,
            message="obsolete" if obsolete else facts.error.value,
            evidence=evidence,
        )
    elif not facts.reached:
        yield NotChecked(reason=facts.detail or "no connection was tried")
    elif facts.obsolete:
        yield Finding(
            impact=Impact.LIMITED,
            function=SUPPORTABILITY,
            message="obsolete",
            evidence={**evidence, "algorithms": Text(facts.algorithms)},
        )
    elif facts.transport == "bundle":
        yield NotApplicable(reason="its answer was brought as a file; nobody connected to it")
    else:
        yield Passed(evidence=evidence)


reachable = Probe(
    id="host.reachable",
    title="The machine can be reached and examined",
    check=check_reachable,
    levels=NoLevels(),
    messages={
        "unreachable": "No answer from {address}: {detail}",
        "tls": "No trusted encrypted connection to {address}: {detail}",
        "auth": "{address} answers, but refuses the login: {detail}",
        "denied": "The login to {address} succeeds, but may not do what the check-up needs: {detail}",
        "disabled": "The way in to {address} is switched off: {detail}",
        "quota": "{address} takes no further session: {detail}",
        "timeout": "{address} answered, but not in time: {detail}",
        "dropped": "The connection to {address} broke off: {detail}",
        "blocked_by_av": "Protection software on {address} stopped the check-up: {detail}",
        "constrained": "The shell on {address} is too restricted for the check-up: {detail}",
        "bad_output": "The answer of {address} could not be read: {detail}",
        "unsupported": "{address} cannot be examined by this way: {detail}",
        "protocol": "{address} answered in an unexpected way: {detail}",
        "obsolete": "{address} offers only obsolete encryption ({algorithms}).",
    },
    why="A machine that support cannot reach is not examined now, and cannot be helped in an emergency.",
    remedy="Restore the way in (machine on, network, firewall, account) as the access agreement describes.",
    verify="`checkup run SITE.YAML --host NAME --only host.reachable` finds nothing.",
    references=("domain: path.server, path.workstation-min",),
)


def _recognised(facts: Reached) -> bool:
    by_key = facts.host_key_check in ("pinned", "known_hosts", "ca")
    return by_key or facts.identity_check in ("pinned", "first") or facts.transport == "local"


def check_identity(facts: Reached, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {
        "address": Text(facts.address),
        "host_key": Text(facts.host_key or "none seen"),
        "identity": Text(facts.identity or "none seen"),
        "detail": Text(facts.detail),
    }
    if facts.error is ErrorClass.OPTED_OUT:
        yield NotChecked(reason=facts.detail or "this machine is never contacted", error=facts.error)
    elif facts.error in IN_DOUBT or facts.identity_check == "mismatch":
        yield Finding(
            impact=Impact.MAJOR,
            function=SUPPORTABILITY,
            when=When.NOW,
            message="host_key" if facts.error is ErrorClass.HOST_KEY else "identity",
            evidence=evidence,
        )
    elif facts.host_key_check == "ignored":
        yield Finding(impact=Impact.NOTE, function=SUPPORTABILITY, message="ignored", evidence=evidence)
    elif not facts.reached:
        yield NotChecked(reason=facts.detail or "it was not reached", error=facts.error)
    elif _recognised(facts):
        yield Passed(evidence=evidence)
    else:
        yield NotChecked(
            reason=facts.detail or "the machine gave nothing that it could be recognised by",
            error=facts.error,
        )


identity = Probe(
    id="host.identity",
    title="The machine that answers is the one that is meant",
    check=check_identity,
    levels=NoLevels(),
    messages={
        "host_key": "The host key of {address} is not the one on record: {detail}",
        "identity": "The machine at {address} is not the one on record (it says {identity}).",
        "ignored": "The host key or certificate of {address} was not verified: the site file says so.",
    },
    why="Clinics use the same private addresses: without this check one site's facts may land in another's "
    "report, or a stranger may answer.",
    remedy="Ask the site whether the machine was replaced or reinstalled; only then record the new key.",
    verify="The next run passes with `host_key` or `identity` set in the site file.",
    references=("domain: path.host-identity",),
)
