"""Whether a data file is damaged or marked so, and what compaction lost or would lose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Context,
    Finding,
    Impact,
    Metric,
    NoLevels,
    NotApplicable,
    NotChecked,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    When,
    Worse,
)
from probes.access import parts
from probes.access.soundness import Problem, Soundness

# What occurs in sound files, and what to say of it. Lost pages are counted by access.reclaimable.
INFORMATION = {
    "page-orphan": "",
    "definition-unlisted": "definitions that no object names, as a deleted table leaves them",
    "row-count": "tables whose stored count of rows is not exact",
    "index-unreached": "index pages that are kept but empty",
    "row-target-lost": "moved rows that nothing leads to any more",
}

# Said of the catalogue's own index, and judged by access.compaction-safe.
MISSING = "catalogue-entry-missing"

KINDS = {
    "file": "the file as a whole",
    "map-rows": "usage maps",
    "map": "usage maps",
    "definition": "definition",
    "data": "data pages",
    "index": "index pages",
    "long-values": "long texts and pictures",
    "free": "free pages",
    "none": "pages of nobody",
}

WORDS = {
    "file-cut": "the file ends within a page",
    "page-missing": "the file ends before the page",
    "page-beyond-end": "the file ends before the page",
    "page-kind": "a page of another kind",
    "page-owner": "a page of another table",
    "page-unmarked": "a page that was never written",
    "page-owned-twice": "two owners claim the page",
    "page-owned-free": "in use and free at once",
    "page-free-word": "its free space is not as said",
    "page-row-order": "rows lie in each other",
    "page-row-bounds": "rows lie out of the page",
    "page-twice": "a copy of another page",
    "index-order": "entries out of order",
    "index-pointer": "entries lead to no row",
    "index-link": "the chain of pages is broken",
    "index-loop": "the tree runs in a circle",
    "index-duplicate": "equal keys where none may be",
    "index-count": "indexes of the table differ in entries",
    "index-keys": "entries do not fit the rows",
    "index-rows": "rows without entry, or entries without row",
    "definition-loop": "the definition runs in a circle",
    "definition-cut": "the definition ends too early",
    "row-cut": "a row ends too early",
    "row-shape": "a row that cannot be read",
    "row-pointer": "a moved row is not where it should be",
    "value-pointer": "a long value is not where it should be",
    "value-loop": "a long value runs in a circle",
    "value-length": "a long value is shorter or longer than said",
    "table-missing": "a table that every file has",
}


# --- damage -----------------------------------------------------------------------------------


def _is_damage(problem: Problem) -> bool:
    return problem.code not in INFORMATION and not _endangers_compaction(problem)


def _endangers_compaction(problem: Problem) -> bool:
    """Numbers of the code: row, part, and 1 where the index is the primary one."""
    return problem.code == MISSING and problem.numbers[2:] == (1,)


def _place(problem: Problem) -> str:
    """The stable key of a finding: the table and what of it."""
    kind = KINDS.get(problem.kind, problem.kind)
    return f"{problem.owner}: {kind}" if problem.owner else kind


def _pages(problems: Sequence[Problem]) -> str:
    runs = sorted({(one.page, one.pages) for one in problems})
    return parts.named([str(page) if n == 1 else f"{page}-{page + n - 1}" for page, n in runs])


def _words(problems: Sequence[Problem]) -> str:
    said = dict.fromkeys(WORDS.get(one.code, one.code.replace("-", " ")) for one in problems)
    return parts.named(list(said))


def check_damage(facts: Soundness, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    places: dict[str, list[Problem]] = {}
    for problem in facts.problems:
        if _is_damage(problem):
            places.setdefault(_place(problem), []).append(problem)
    depth = Text(facts.depth)
    yield Metric(name="damaged_places", value=Number(len(places)))
    yield Metric(name="depth", value=Number(parts.DEPTHS.index(facts.depth)))
    for place, problems in places.items():
        only_index = all(one.kind == "index" for one in problems)
        yield Finding(
            # An index can be built anew from sound rows; nothing can build rows anew.
            impact=Impact.MAJOR,
            when=When.BEFORE_NEXT_VISIT if only_index else When.NOW,
            message="index" if only_index else "damaged",
            item=place,
            evidence={
                "faults": Number(len(problems)),
                "pages": Text(_pages(problems)),
                "what": Text(_words(problems)),
                "depth": depth,
            },
            value=Number(len(problems)),
            worse=Worse.HIGHER,
        )
    for code, count in facts.counts:
        if count and INFORMATION.get(code):
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                message="trace",
                item=code,
                evidence={"count": Number(count), "what": Text(INFORMATION[code])},
            )
    yield from _not_seen(facts)
    if not places and facts.complete and not facts.in_motion and not facts.left_out:
        if facts.depth == "header":
            yield NotChecked(reason="only the first page of the file was read")
        elif any(_endangers_compaction(one) for one in facts.problems):
            yield NotApplicable(reason="the only fault is in the catalogue: see access.compaction-safe")
        else:
            yield Passed(evidence={"depth": depth})


def _not_seen(facts: Soundness) -> Iterator[Result]:
    """What could not be judged, and is therefore not called sound."""
    if facts.in_motion:
        shown = parts.named([str(page) for page in facts.in_motion])
        yield NotChecked(
            item="pages in motion",
            reason=f"changed while they were read (somebody is at work): {shown}; look again later",
        )
    reasons: dict[str, list[str]] = {}
    for one in facts.left_out:
        reasons.setdefault(one.detail or "was left out", []).append(one.part)
    if reasons:
        said = (f"{', '.join(dict.fromkeys(left))}: {reason}" for reason, left in reasons.items())
        yield NotChecked(item="left out", reason="; ".join(said))
    if not facts.complete and not facts.in_motion and not facts.left_out:
        yield NotChecked(reason="not everything that this depth asks for was read")


integrity = Probe(
    id="access.integrity",
    title="The data file is sound as far as it was looked into",
    check=check_damage,
    levels=NoLevels(),
    messages={
        "damaged": "Damage in {item}, page {pages}: {what} (faults: {faults}; looked into to depth {depth}).",
        "index": "Damage in {item}, page {pages}: {what} (faults: {faults}); the rows are not concerned.",
        "trace": "Of no harm, and gone after the next compaction: {what} ({count}).",
    },
    why=(
        "A damaged page makes records vanish, change places or stop the program, mostly long after it was "
        "damaged, when the sound back-ups are gone."
    ),
    remedy=(
        "Have everyone leave, copy the file as it is and keep all back-ups. Do not compact or repair it yet: "
        "restore the last sound back-up to another place and compare, or have the copy repaired."
    ),
    verify="A check-up at the same depth finds no fault.",
    kind="access",
    references=("domain: access.page-integrity",),
)


# --- marks of a write that did not end --------------------------------------------------------


class CommitWords(NamedTuple):
    """`below_neutral`: the slots whose word in the first page says that a write was not finished."""

    used: int
    below_neutral: tuple[int, ...]
    has_lock_file: bool


def parse_commit_words(raw: JSON, source: str, version: int) -> CommitWords:
    words = parts.part(parts.part(raw, "header"), "commit_words")
    return CommitWords(
        parts.whole(words, "used"),
        parts.wholes(words, "below_neutral"),
        parts.part_or_none(raw, "lock") is not None,
    )


commit_words = Section(
    name="access-commit-words",
    facts=CommitWords,
    collect={"access": AccessFile(("header", "lock"))},
    parse=parse_commit_words,
    privacy="numbers of slots",
)


def check_commit_words(facts: CommitWords, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    slots = facts.below_neutral
    if not slots:
        yield Passed(evidence={"used": Number(facts.used)})
        return
    yield Finding(
        impact=Impact.LIMITED if facts.has_lock_file else Impact.MAJOR,
        when=When.BEFORE_NEXT_VISIT if facts.has_lock_file else When.NOW,
        message="perhaps" if facts.has_lock_file else "marked",
        evidence={
            "count": Number(len(slots)),
            "slots": Text(parts.named([str(slot) for slot in slots])),
        },
        value=Number(len(slots)),
        worse=Worse.HIGHER,
    )


commit = Probe(
    id="access.commit-words",
    title="No write to the data file was left unfinished",
    check=check_commit_words,
    levels=NoLevels(),
    messages={
        "marked": "The first page has marks of an unfinished write (slots: {slots}); nobody is in the file.",
        "perhaps": "The first page has marks of an unfinished write (slots: {slots}); perhaps it goes on.",
    },
    why=(
        "A workstation that dies in mid-write leaves such a mark; Access then says that the file must be "
        "repaired, and half of a change may be in it."
    ),
    remedy=(
        "Have everyone leave, copy the file as it is, then open the copy with Access: if it asks for repair, "
        "compare the repaired copy with the last back-up before you use it."
    ),
    verify="With nobody in the file, the next check-up finds no mark.",
    kind="access",
    references=("Microsoft: Understanding Microsoft Jet Locking",),
)


# --- what the next compaction would drop ------------------------------------------------------


CATALOGUE = "MSysObjects"
EARLY = ("header", "catalogue", "maps")  # depths build on each other: what failed in these may hide the index


def check_compaction(facts: Soundness, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    missing = [one for one in facts.problems if _endangers_compaction(one)]
    if missing:
        yield Finding(
            impact=Impact.DOWN,
            when=When.BEFORE_NEXT_VISIT,
            message="lost",
            evidence={"missing": Number(len(missing)), "pages": Text(_pages(missing))},
            value=Number(len(missing)),
            worse=Worse.HIGHER,
        )
    elif not parts.reaches(facts.depth, "maps"):
        yield NotChecked(reason=f"the file was looked into to depth {facts.depth}; this needs maps")
    elif any(_is_damage(one) and not _of_other_index(one) for one in facts.problems):
        yield NotChecked(reason="the file is damaged: settle access.integrity before anyone compacts it")
    elif facts.in_motion or any(one.part in EARLY for one in facts.left_out):
        yield NotChecked(reason="the catalogue's own index could not be read whole, or somebody is at work")
    else:
        yield Passed(evidence={"missing": Number(0)})


def _of_other_index(problem: Problem) -> bool:
    """Compaction builds the indexes of tables anew; by that of the catalogue it finds the tables."""
    return problem.kind == "index" and problem.owner != CATALOGUE


compaction = Probe(
    id="access.compaction-safe",
    title="The next compaction would keep every table",
    check=check_compaction,
    levels=NoLevels(),
    messages={
        "lost": "Do not compact: objects are missing from the index that compaction goes by ({missing}).",
    },
    why=(
        "Compaction finds tables by the primary index of the file's own catalogue. What that index lacks is "
        "left behind without a word, with all its records."
    ),
    remedy=(
        "Switch off every automatic compaction (also 'compact on close'), make a back-up, and import all "
        "objects into a new file; compare tables and row counts before anyone uses it."
    ),
    verify="A check-up of the new file finds no missing entry, and tables and row counts are the same.",
    kind="access",
)


# --- what an earlier compaction lost ----------------------------------------------------------


COMPACTION_ERRORS = "MSysCompactError"  # counted by itself


class Leftovers(NamedTuple):
    """`lost`: rows of the table of compaction errors, None where there is no such table. `error_tables`:
    tables that Access makes of what it could not import or paste."""

    lost: int | None
    error_tables: tuple[str, ...]


def parse_leftovers(raw: JSON, source: str, version: int) -> Leftovers:
    found = parts.part(raw, "file" if version == 1 else "leftovers")
    return Leftovers(
        parts.whole_or_none(found, "lost_by_compaction"),
        tuple(name for name in parts.texts(found, "error_tables") if name != COMPACTION_ERRORS),
    )


leftovers = Section(
    name="access-leftovers",
    version=2,  # in 1 the settings of the file came with it
    facts=Leftovers,
    collect={"access": AccessFile(("leftovers",), depth="catalogue")},
    parse=parse_leftovers,
    privacy="a count, names of tables",
)


def check_leftovers(facts: Leftovers, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if facts.lost is not None:
        yield Finding(
            impact=Impact.MAJOR if facts.lost else Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT,
            message="lost" if facts.lost else "tried",
            evidence={"records": Number(facts.lost)},
            value=Number(facts.lost),
            worse=Worse.HIGHER,
        )
    if facts.error_tables:
        yield Finding(
            impact=Impact.LIMITED,
            when=When.LATER,
            message="errors",
            item="error tables",
            evidence={
                "count": Number(len(facts.error_tables)),
                "tables": Text(parts.named(facts.error_tables)),
            },
            value=Number(len(facts.error_tables)),
            worse=Worse.HIGHER,
        )
    if facts.lost is None and not facts.error_tables:
        yield Passed()


lost = Probe(
    id="access.lost-by-compaction",
    title="No compaction or import has left records behind",
    check=check_leftovers,
    levels=NoLevels(),
    messages={
        "lost": "An earlier compaction could not copy everything (entries in MSysCompactError: {records}).",
        "tried": "An earlier compaction made a table of errors (MSysCompactError); it is empty.",
        "errors": "Tables of what could not be imported or pasted ({count}): {tables}.",
    },
    why="What is listed there is not in the tables where users look for it, and nobody was told.",
    remedy=(
        "Open the tables named, find the records in a back-up from before, enter what is missing, and then "
        "delete the tables."
    ),
    verify="The tables are gone, and a person of the department has confirmed the records.",
    kind="access",
    references=("Microsoft: MSysCompactError, compact and repair",),
)
