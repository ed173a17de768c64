"""The folder of a data file: whoever works in the file must be able to make its lock file there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from checkup.api import (
    JSON,
    AccessFile,
    Context,
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
from probes.access import parts

BASES = {
    "login": "the account of the check-up",
    "mode": "everybody but the owner",
}


class Rights(NamedTuple):
    """`basis`: of whom they are told, one of BASES."""

    basis: str
    write: bool
    create: bool
    delete: bool


class Folder(NamedTuple):
    """`file_read_only` and `rights` are None where nothing tells them."""

    file_read_only: bool | None
    rights: Rights | None


def parse(raw: JSON, source: str, version: int) -> Folder:
    found = parts.part(raw, "folder")
    rights = parts.part_or_none(found, "rights")
    return Folder(
        parts.flag_or_none(found, "file_read_only"),
        None
        if rights is None
        else Rights(
            parts.word(rights, "basis", frozenset(BASES)),
            parts.flag(rights, "write"),
            parts.flag(rights, "create"),
            parts.flag(rights, "delete"),
        ),
    )


folder = Section(
    name="access-folder",
    facts=Folder,
    collect={"access": AccessFile(("header", "folder"))},
    parse=parse,
    privacy="whether files may be written, made and deleted; no names of accounts",
)


def check_rights(facts: Folder, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    if not ctx.target.path:
        yield NotApplicable(reason="the file was looked at by itself, not as one of a site")
        return
    if facts.file_read_only:
        yield Finding(impact=Impact.MAJOR, when=When.BEFORE_NEXT_VISIT, message="read-only", item="file")
        return
    rights = facts.rights
    if rights is None:
        yield NotChecked(reason="the way to the file does not tell the rights in its folder")
        return
    who = BASES[rights.basis]
    evidence: dict[str, Value] = {"who": Text(who)}
    if not rights.write:
        # Then this says nothing of those who do work in the file.
        yield NotChecked(reason=f"{who} may only read the file: the rights of its users do not show")
    elif not rights.create:
        yield Finding(
            impact=Impact.MAJOR,
            when=When.BEFORE_NEXT_VISIT,
            message="no-create",
            item="folder",
            evidence=evidence,
        )
    elif not rights.delete:
        yield Finding(
            impact=Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT,
            message="no-delete",
            item="folder",
            evidence=evidence,
        )
    else:
        yield Passed(evidence=evidence)


lock_rights = Probe(
    id="access.folder-rights",
    title="Whoever may change the data file may also make and delete its lock file",
    check=check_rights,
    levels=NoLevels(),
    messages={
        "read-only": "The file is marked read-only: nobody can save anything in it.",
        "no-create": "By the rights of {who} the file may be changed, but no file made beside it.",
        "no-delete": "By the rights of {who} files may be made beside the data file, but not deleted.",
    },
    why=(
        "Access keeps who is in the file in a lock file beside it. Whoever cannot make one opens the file "
        "for himself alone or for reading only; where it cannot be deleted it stays, and looks like a crash."
    ),
    remedy="Give all users of the file the right Modify on its folder (not on the share alone).",
    verify="The next check-up passes; with everyone out there is no lock file beside the data file.",
    kind="access",
    roles=frozenset({"back-end"}),
    references=("domain: access.folder-rights", "Microsoft: Introduction to lock files"),
)
