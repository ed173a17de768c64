"""The format of a data file: its age, its encryption, and a password that protects nothing."""

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

VERSIONS = frozenset({"jet3", "jet4", "ace12", "ace14", "ace15", "ace16", "ace17"})

# By kind of encryption, as the reader names it: what protects, and what only looks like it.
STRONG = frozenset({"office-standard", "office-agile"})
WEAK = {
    "rc4": "the key lies in the file",
    "cryptoapi": "RC4 of Office 2007, which can be broken",
}
KNOWN = frozenset({"none", "extensible", "msisam", "unknown", *STRONG, *WEAK})
PASSWORDS = frozenset({"none", "set", "protects-nothing", "unknown"})


class FileFormat(NamedTuple):
    """`year`: of the first release of Access that wrote this version. `encryption` and `password`: words of
    the reader, above; the password itself is never read."""

    version: str
    year: int
    encryption: str
    password: str


def parse(raw: JSON, source: str, version: int) -> FileFormat:
    header = parts.part(raw, "header")
    return FileFormat(
        parts.word(header, "version", VERSIONS),
        parts.whole(header, "year", 1992),
        parts.word(header, "encryption", KNOWN),
        parts.word(header, "password", PASSWORDS),
    )


file_format = Section(
    name="access-format",
    facts=FileFormat,
    collect={"access": AccessFile(("header",))},
    parse=parse,
    privacy="version, kinds of encryption and password, never the password",
)


# --- age --------------------------------------------------------------------------------------


def check_format(facts: FileFormat, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"format": Text(facts.version), "year": Text(str(facts.year))}
    if facts.version == "jet3":
        yield Finding(impact=Impact.MAJOR, when=When.BEFORE_NEXT_VISIT, message="dead", evidence=evidence)
    elif facts.version == "jet4":
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="old", evidence=evidence)
    else:
        yield Passed(evidence=evidence)


age = Probe(
    id="access.format",
    title="The data file has a format of the present",
    check=check_format,
    levels=NoLevels(),
    messages={
        "dead": "The file has the format of Access {year}, which Access 2013 and later cannot open.",
        "old": "The file has the format of Access {year} (.mdb), no longer developed since Access 2007.",
    },
    why=(
        "An old format binds the site to old drivers and old Windows: the next new workstation may not be "
        "able to open the file."
    ),
    remedy=(
        "Convert a copy to .accdb with the product's next release, and try the product on it first. "
        "Workgroup security of an .mdb is lost by that."
    ),
    verify="The next check-up names the format ACE.",
    kind="access",
    references=(
        "domain: access.format",
        "Microsoft: Discontinued features and modified functionality in Access 2013",
    ),
)


# --- encryption -------------------------------------------------------------------------------


def check_encryption(facts: FileFormat, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"encryption": Text(facts.encryption)}
    if facts.encryption in STRONG:
        yield Passed(evidence=evidence)
    elif facts.encryption in WEAK:
        evidence["weakness"] = Text(WEAK[facts.encryption])
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="weak", evidence=evidence)
    elif facts.encryption == "none":
        # Most sites protect the folder and the disk instead, which other checks look at.
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="plain", evidence=evidence)
    else:
        yield NotChecked(reason=f"encryption of the kind {facts.encryption!r} cannot be judged")


encryption = Probe(
    id="access.encryption",
    title="The data file is encrypted in a way that protects",
    check=check_encryption,
    levels=NoLevels(),
    messages={
        "weak": "The file is encrypted, but weakly: {weakness}.",
        "plain": "The file is not encrypted: whoever has a copy of it can read it.",
    },
    why="A copy on a stick, in a back-up or on a stolen disk gives away every record in it.",
    remedy=(
        "Restrict the folder to those who work with the file, encrypt the server's disk and the back-ups; "
        "where the product supports it, encrypt the file itself with a format of Access 2010 or later."
    ),
    verify="The next check-up names the encryption of Office 2010, or the disks and back-ups are encrypted.",
    kind="access",
    references=("45 CFR 164.312(a)(2)(iv)", "[MS-OFFCRYPTO] 2.3"),
)


# --- password ---------------------------------------------------------------------------------


def check_password(facts: FileFormat, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    evidence: dict[str, Value] = {"password": Text(facts.password)}
    if facts.password == "protects-nothing":  # noqa: S105  a word of the reader
        yield Finding(
            impact=Impact.LIMITED, when=When.BEFORE_NEXT_VISIT, message="useless", evidence=evidence
        )
    elif facts.password == "unknown":  # noqa: S105
        yield NotChecked(reason=f"the encryption ({facts.encryption}) does not tell whether there is one")
    else:
        yield Passed(evidence=evidence)


password = Probe(
    id="access.password",
    title="No password promises a protection that it does not give",
    check=check_password,
    levels=NoLevels(),
    messages={
        "useless": "Access asks for a password of this file, yet every page can be read without it.",
    },
    why=(
        "A password of an .mdb is only looked at by Access itself; any other program reads the file as if "
        "there were none, and who relies on it leaves the file unprotected."
    ),
    remedy=(
        "Do not count on it: restrict the folder, encrypt disk and back-ups, and change the password "
        "wherever else it is used."
    ),
    verify="The file is converted and encrypted, or the folder's rights name only those who need it.",
    kind="access",
    references=("domain: access.format",),
)
