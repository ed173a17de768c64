"""WS-Management messages: a request read strictly, an answer written as Windows writes it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from .faults import (
    HEADER_MISSING,
    INVALID_XML,
    NOT_UNDERSTOOD,
    WRONG_SOAP_VERSION,
    Fault,
    Refused,
    invalid_timeout,
)

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
WSMAN = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
MICROSOFT = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
IDENTITY = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"
ANONYMOUS = ADDRESSING + "/role/anonymous"

PREFIXES = {
    "s": SOAP,
    "a": ADDRESSING,
    "x": TRANSFER,
    "n": ENUMERATION,
    "w": WSMAN,
    "p": MICROSOFT,
    "rsp": SHELL,
}

_UNDERSTOOD = {
    *(f"{{{ADDRESSING}}}{name}" for name in ("Action", "MessageID", "To", "ReplyTo", "From", "FaultTo")),
    *(f"{{{WSMAN}}}{name}" for name in ("ResourceURI", "MaxEnvelopeSize", "OperationTimeout", "Locale")),
    *(f"{{{WSMAN}}}{name}" for name in ("OptionSet", "SelectorSet")),
    *(f"{{{MICROSOFT}}}{name}" for name in ("DataLocale", "SessionId", "OperationID", "SequenceId")),
}
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_LEAST_ENVELOPE_BYTES = 8192
_DEFAULT_ENVELOPE_BYTES = 153600


@dataclass(frozen=True, kw_only=True)
class Message:
    """One request. `operation` is the last word of its action: Create, Receive, Enumerate."""

    action: str
    message_id: str
    resource_uri: str
    timeout_s: float
    most_bytes: int  # of the answer's envelope
    selectors: Mapping[str, str]
    options: Mapping[str, str]
    body: Element

    @property
    def operation(self) -> str:
        return self.action.rsplit("/", 1)[-1]


def parse(xml: bytes) -> Element:
    """The root element. Refuses what is no XML, and a document type declaration, as Windows does."""
    if b"<!DOCTYPE" in xml:
        raise Refused(INVALID_XML)
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise Refused(INVALID_XML) from error


def is_identify(root: Element) -> bool:
    return root.find(f"{{{SOAP}}}Body/{{{IDENTITY}}}Identify") is not None


def read(root: Element) -> Message:
    """Raises Refused where the envelope is not one that WS-Management allows (DSP0226, section 5)."""
    if root.tag != f"{{{SOAP}}}Envelope":
        raise Refused(WRONG_SOAP_VERSION)
    header, body = root.find("s:Header", PREFIXES), root.find("s:Body", PREFIXES)
    if header is None or body is None:
        raise Refused(INVALID_XML)
    for element in header:
        if element.get(f"{{{SOAP}}}mustUnderstand") in ("true", "1") and element.tag not in _UNDERSTOOD:
            raise Refused(NOT_UNDERSTOOD)
    reply_to = header.findtext("a:ReplyTo/a:Address", "", PREFIXES).strip()
    required = {
        name: header.findtext(name, "", PREFIXES).strip()
        for name in ("a:Action", "a:MessageID", "a:To", "w:ResourceURI")
    }
    if not all(required.values()) or reply_to != ANONYMOUS:
        raise Refused(HEADER_MISSING)
    return Message(
        action=required["a:Action"],
        message_id=required["a:MessageID"],
        resource_uri=required["w:ResourceURI"],
        timeout_s=_seconds(header.findtext("w:OperationTimeout", "PT60S", PREFIXES)),
        most_bytes=_envelope_bytes(header.findtext("w:MaxEnvelopeSize", "", PREFIXES)),
        selectors=_named(header, "w:SelectorSet/w:Selector"),
        options=_named(header, "w:OptionSet/w:Option"),
        body=body,
    )


def message_id_of(root: Element) -> str:
    """What an answer relates to, even where the rest of the request is refused."""
    return root.findtext("s:Header/a:MessageID", "", PREFIXES).strip()


def _named(header: Element, path: str) -> dict[str, str]:
    return {element.get("Name", ""): element.text or "" for element in header.findall(path, PREFIXES)}


def _seconds(duration: str) -> float:
    found = _DURATION.fullmatch(duration.strip())
    if found is None or not any(found.groups()):
        raise Refused(invalid_timeout(duration.strip()))
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _envelope_bytes(text: str) -> int:
    if not text.strip():
        return _DEFAULT_ENVELOPE_BYTES
    if not text.strip().isdigit() or int(text) < _LEAST_ENVELOPE_BYTES:
        raise Refused(HEADER_MISSING)
    return int(text)


def envelope(action: str, body: str, relates_to: str) -> bytes:
    namespaces = " ".join(f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in PREFIXES.items())
    related = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    return (
        f'<s:Envelope xml:lang="en-US" {namespaces}><s:Header><a:Action>{escape(action)}</a:Action>'
        f"<a:MessageID>uuid:{new_id()}</a:MessageID><a:To>{ANONYMOUS}</a:To>{related}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def fault_envelope(fault: Fault, relates_to: str, machine: str) -> bytes:
    return envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", fault.xml(machine), relates_to)


def identify_envelope(product: str) -> bytes:
    return (
        f'<s:Envelope xml:lang="" xmlns:s="{SOAP}"><s:Header/><s:Body>'
        f'<wsmid:IdentifyResponse xmlns:wsmid="{IDENTITY}">'
        "<wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>"
        "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        f"<wsmid:ProductVersion>{escape(product)}</wsmid:ProductVersion>"
        "</wsmid:IdentifyResponse></s:Body></s:Envelope>"
    ).encode()


def new_id() -> str:
    return str(uuid.uuid4()).upper()
