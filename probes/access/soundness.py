"""Whether the structure of a data file holds together: what an examination of its pages brought up."""

from __future__ import annotations

from typing import NamedTuple

from checkup.api import JSON, AccessFile, Depth, Section
from probes.access import parts
from probes.access.parts import Part


class Problem(NamedTuple):
    """`page` is the first of `pages` pages in a row; `owner` the name of the table concerned, or "" where
    nobody knows. What `numbers` are depends on the code."""

    code: str
    page: int
    pages: int
    kind: str
    owner: str
    numbers: tuple[int, ...]


class LeftOut(NamedTuple):
    part: str
    detail: str


class Soundness(NamedTuple):
    """`counts` says how often there was each code, kept as a problem or not; `in_motion` are pages that
    changed while they were read, so that nothing can be said of them."""

    depth: Depth
    problems: tuple[Problem, ...]
    counts: tuple[tuple[str, int], ...]
    in_motion: tuple[int, ...]
    left_out: tuple[LeftOut, ...]
    complete: bool


def parse(raw: JSON, source: str, version: int) -> Soundness:
    found = parts.part(raw, "integrity")
    counts = parts.part(found, "counts")
    return Soundness(
        depth=parts.depth(found),
        problems=tuple(_problem(one) for one in parts.objects(found, "problems")),
        counts=tuple((code, parts.whole(counts, code)) for code in sorted(counts)),
        in_motion=parts.wholes(found, "in_motion"),
        left_out=tuple(
            LeftOut(parts.text(one, "part"), parts.text(one, "detail"))
            for one in parts.objects(found, "left_out")
        ),
        complete=parts.flag(found, "complete"),
    )


def _problem(one: Part) -> Problem:
    return Problem(
        code=parts.text(one, "code"),
        page=parts.whole(one, "page"),
        pages=parts.whole(one, "pages", 1),
        kind=parts.text(one, "kind"),
        owner=_owner(one),
        numbers=parts.wholes(one, "numbers"),
    )


def _owner(one: Part) -> str:
    """The table's name, else the page of its definition, else ""."""
    name, page = parts.text_or_none(one, "owner_name"), parts.whole_or_none(one, "owner")
    return name or ("" if page is None else f"the table defined on page {page}")


soundness = Section(
    name="access-soundness",
    facts=Soundness,
    collect={"access": AccessFile(("integrity",), depth="maps")},
    parse=parse,
    privacy="page numbers, kinds of pages, names of tables",
)
