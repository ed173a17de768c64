"""SOAP answers read with care: no document types, so no entities; no endless nesting."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from xml.parsers import expat

MOST_DEPTH = 64


class Unreadable(Exception):
    """Not an answer of the WS-Management protocol; the text says in a few words what it is."""


def check(answer: bytes) -> None:
    """Raises Unreadable for what no service of ours would send, before any library looks at it."""
    parser = expat.ParserCreate()
    depth = 0

    def enter(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth == 1 and name.rpartition(":")[2] != "Envelope":
            raise Unreadable(f"a document of the kind {name[:40]!r}")
        if depth > MOST_DEPTH:
            raise Unreadable("XML nested without end")

    def leave(name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(name: str, *_: object) -> None:
        raise Unreadable("a web page" if name.lower() == "html" else "XML with a document type")

    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(answer, True)
    except expat.ExpatError:
        raise Unreadable(_kind(answer)) from None


def read(answer: bytes) -> ElementTree.Element:
    """The envelope. Raises Unreadable."""
    check(answer)
    return ElementTree.fromstring(answer)  # noqa: S314 - it has no document type, so no entities


def local_name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [child for child in element if local_name(child) == name]


def descendant(element: ElementTree.Element, name: str) -> ElementTree.Element | None:
    return next((each for each in element.iter() if local_name(each) == name), None)


def _kind(answer: bytes) -> str:
    start = answer[:2000].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return "a web page"
    return "nothing" if not start else "broken XML" if start.startswith(b"<") else "text"
