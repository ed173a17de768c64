"""Management classes asked one by one and without a shell (DSP0226 section 8, [MS-WSMV] 3.1.4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol
from xml.etree.ElementTree import Element

import winrm.protocol
import xmltodict

from checkup.api import JSON, ErrorClass, WmiQuery
from checkup.transports.session import TransportError
from checkup.transports.winrm_errors import Fault
from checkup.transports.winrm_xml import Unreadable, children, descendant, local_name, read

_ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration/"
_RESOURCES = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
_WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"

ELEMENTS = 200  # rows in one answer, at most; the service sends fewer where they are long
MOST_ROWS = 20_000
MOST_BYTES = 16 * 1024**2
MOST_EMPTY_ANSWERS = 50

# "Invalid query" and, from Windows 7, "cannot process the filter": an older Windows lacks a property.
_OTHER_PROPERTIES = frozenset({0x80041017, 0x8033801A})

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?")
_INTERVAL = re.compile(r"P(?:(\d{1,8})D)?(?:T(?:(\d{1,2})H)?(?:(\d{1,2})M)?(?:(\d{1,2})(?:\.(\d{1,9}))?S)?)?")


class Ask(Protocol):
    """One request, in time; see WinrmSession."""

    def __call__(self, work: Callable[[winrm.protocol.Protocol], bytes], doing: str) -> bytes: ...


def rows(query: WmiQuery, ask: Ask, where: str) -> list[dict[str, JSON]]:
    """See `QuerySession.query`."""
    try:
        try:
            return list(_rows(query, query.wql, ask, where))
        except Fault as fault:
            if not fault.codes & _OTHER_PROPERTIES:
                raise
            return list(_rows(query, replace(query, properties=("*",)).wql, ask, where))
    except Fault as fault:
        raise _explained(fault, query, where) from None
    except Unreadable as error:
        raise TransportError(
            ErrorClass.PROTOCOL, f"{where} answered {query.wmi_class} with {error}, not with rows"
        ) from None


def _rows(query: WmiQuery, wql: str, ask: Ask, where: str) -> Iterator[dict[str, JSON]]:
    resource = _RESOURCES + query.namespace.replace("\\", "/") + "/*"
    doing = f"when it was asked for {query.wmi_class}"
    filtered = {"@Dialect": _WQL, "#text": wql}
    body: Mapping[str, Any] = {
        "n:Enumerate": {"w:OptimizeEnumeration": None, "w:MaxElements": str(ELEMENTS), "w:Filter": filtered}
    }
    action = "Enumerate"
    count = size = empty = 0
    while True:
        envelope = ask(lambda protocol, *, a=action, b=body: _sent(protocol, a, resource, b), doing)
        size += len(envelope)
        answer = descendant(read(envelope), f"{action}Response")
        if answer is None:
            raise Unreadable("another answer")
        items = [item for group in children(answer, "Items") for item in group]
        count += len(items)
        empty += not items
        context = next((each.text for each in children(answer, "EnumerationContext")), None)
        if count > MOST_ROWS or size > MOST_BYTES or empty > MOST_EMPTY_ANSWERS:
            if context:
                body = {"n:Release": {"n:EnumerationContext": context}}
                with suppress(Fault):  # the service forgets it by itself, later
                    ask(lambda protocol, *, b=body: _sent(protocol, "Release", resource, b), doing)
            raise TransportError(
                ErrorClass.BAD_OUTPUT, f"{where} answers {query.wmi_class} without end and was cut off"
            )
        for item in items:
            yield _row(item, query.properties)
        if children(answer, "EndOfSequence") or not context:
            return
        # A service may refuse to go on with other limits than it began with.
        action, body = "Pull", {"n:Pull": {"n:EnumerationContext": context, "n:MaxElements": str(ELEMENTS)}}


def _sent(protocol: winrm.protocol.Protocol, action: str, resource: str, body: Mapping[str, Any]) -> bytes:
    envelope = protocol.build_wsman_header(action=_ENUMERATION + action, resource_uri=resource)
    envelope["env:Body"] = body
    return protocol.send_message(xmltodict.unparse({"env:Envelope": envelope}))


def _explained(fault: Fault, query: WmiQuery, where: str) -> TransportError:
    namespace = query.namespace
    if fault.error is ErrorClass.UNSUPPORTED or fault.codes & _OTHER_PROPERTIES:
        return TransportError(
            ErrorClass.UNSUPPORTED,
            f"{where} has no class {query.wmi_class} in {namespace}, or no such property",
        )
    if fault.error is ErrorClass.DENIED:
        return TransportError(
            ErrorClass.DENIED,
            f"{where} does not let the account read {query.wmi_class}; ask for Enable Account and Remote "
            f"Enable on {namespace} (wmimgmt.msc), and membership in Remote Management Users",
        )
    return fault


# --- values ---


def _row(item: Element, properties: tuple[str, ...]) -> dict[str, JSON]:
    """Every property that was asked for, under the name it was asked by."""
    found: dict[str, list[str | None]] = {}
    for each in item:
        found.setdefault(local_name(each).lower(), []).append(_value(each))
    return {name: _one_or_more(found.get(name.lower(), [])) for name in properties}


def _one_or_more(values: list[str | None]) -> JSON:
    if len(values) < 2:
        return values[0] if values else None
    return [value for value in values if value is not None]


def _value(element: Element) -> str | None:
    if element.get(_NIL) in ("true", "1"):
        return None
    inner = next(iter(element), None)
    if inner is None:
        return element.text or ""
    text = (inner.text or "").strip()
    match local_name(inner):
        case "Datetime":
            return cim_date(text)
        case "Interval":
            return cim_interval(text)
        case "Address" | "ReferenceParameters":
            return _path(element)
        case _:
            return " ".join("".join(element.itertext()).split())


def _path(reference: Element) -> str:
    """A reference to an instance, as the machine itself would write it."""
    resource = descendant(reference, "ResourceURI")
    selectors = [each for each in reference.iter() if local_name(each) == "Selector"]
    keys = ",".join(f'{each.get("Name")}="{each.text or ""}"' for each in selectors)
    space, _, name = ((resource.text if resource is not None else "") or "").rpartition("/")
    return "\\".join(space.removeprefix(_RESOURCES).split("/")) + f":{name}.{keys}"


def cim_date(text: str) -> str:
    """ISO 8601 as DSP0004 5.2.4 writes it: yyyymmddHHMMSS.mmmmmmsUUU; other texts as they are."""
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    zone = str(found[8] or "Z")
    minutes = 0 if zone == "Z" else int(zone[1:3]) * 60 + int(zone[4:6])
    sign = zone[0] if minutes else "+"
    return f"{''.join(found.groups()[:6])}.{(found[7] or '').ljust(6, '0')[:6]}{sign}{minutes:03d}"


def cim_interval(text: str) -> str:
    """A duration of ISO 8601 as DSP0004 5.2.4 writes it: ddddddddHHMMSS.mmmmmm:000."""
    found = _INTERVAL.fullmatch(text)
    if found is None:
        return text
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    return f"{days:08d}{hours:02d}{minutes:02d}{seconds:02d}.{(found[5] or '').ljust(6, '0')[:6]}:000"
