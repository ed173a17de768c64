"""BitLocker on the drive that holds Windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NotApplicable,
    NotChecked,
    Passed,
    Probe,
    Result,
    Section,
    Text,
    Visit,
    When,
    Wmi,
    WmiQuery,
)
from probes.windows.rows import Row, number, rows, text, texts


@dataclass(frozen=True, slots=True)
class Encryption:
    """`there` is false where Windows has no BitLocker. `protected` is that of Windows' own drive: None where
    BitLocker does not say (a locked volume). `portable`: the machine can be carried away easily."""

    there: bool
    drive: str
    protected: bool | None
    unprotected_others: tuple[str, ...]
    portable: bool


# Not the volumes' state of conversion: older versions of Windows lack the property.
QUERIES = Wmi(
    (
        WmiQuery(
            "Win32_EncryptableVolume",
            ("DriveLetter", "ProtectionStatus"),
            namespace="root\\cimv2\\Security\\MicrosoftVolumeEncryption",
            optional=True,
        ),
        WmiQuery("Win32_OperatingSystem", ("SystemDrive",)),
        WmiQuery("Win32_SystemEnclosure", ("ChassisTypes",)),
    ),
    rights="administrator",
)

# DMTF DSP0134 (SMBIOS), section 7.4.1: portable, laptop, notebook, hand-held, sub notebook, tablet,
# convertible, detachable.
PORTABLE = frozenset({8, 9, 10, 11, 14, 30, 31, 32})
# learn.microsoft.com, Win32_EncryptableVolume, GetProtectionStatus: 0 off, 1 on, 2 not known.
PROTECTION: Mapping[int | None, bool] = {0: False, 1: True}


def parse(raw: JSON, source: str, version: int) -> Encryption:
    if not isinstance(raw, dict):
        raise ValueError("not rows by class")
    drive = text(rows(raw, "Win32_OperatingSystem")[0]["SystemDrive"]).upper()
    if not drive:
        raise ValueError("it is not said which drive Windows is on")
    kinds = {kind for row in rows(raw, "Win32_SystemEnclosure") for kind in _kinds(row)}
    there = raw.get("Win32_EncryptableVolume") is not None
    volumes = rows(raw, "Win32_EncryptableVolume") if there else []
    own = (drive, "")  # Windows' own partitions have no letter
    states = {text(row["DriveLetter"]).upper(): _state(row) for row in volumes}
    return Encryption(
        there=there,
        drive=drive,
        protected=states.get(drive),
        unprotected_others=tuple(sorted(one for one, on in states.items() if on is False and one not in own)),
        portable=not kinds.isdisjoint(PORTABLE),
    )


def _state(volume: Row) -> bool | None:
    return PROTECTION.get(number(volume["ProtectionStatus"]))


def _kinds(row: Row) -> Iterator[int]:
    for one in texts(row["ChassisTypes"]):
        kind = number(one)
        if kind is not None:
            yield kind & 0x7F  # the highest bit tells of a lock


encryption = Section(
    name="disk-encryption",
    facts=Encryption,
    collect={"windows": QUERIES},
    parse=parse,
    privacy="whether drives are encrypted, and what kind of machine it is; no keys",
)


@dataclass(frozen=True, slots=True)
class EncryptionLevels:
    # Tags of machines that must be encrypted though nobody carries them about (domain:
    # security.disk-encryption).
    tags: tuple[str, ...] = ("critical", "laptop")


def check(facts: Encryption, levels: EncryptionLevels, ctx: Context) -> Iterator[Result]:
    due = facts.portable or not set(levels.tags).isdisjoint(ctx.target.tags)
    others = Text(", ".join(facts.unprotected_others) or "none")
    evidence = {"drive": Text(facts.drive), "others": others}
    if facts.protected:
        yield Passed(evidence=evidence)
    elif not due:
        yield NotApplicable(reason="it cannot be carried away easily, and is not marked as critical")
    elif not facts.there:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="absent", evidence=evidence)
    elif facts.protected is None:
        yield NotChecked(reason=f"BitLocker does not say whether {facts.drive} is protected")
    else:
        yield Finding(impact=Impact.LIMITED, when=When.LATER, message="off", evidence=evidence)


disk_encryption = Probe(
    id="security.disk-encryption",
    title="Machines that can be stolen, and critical ones, are encrypted",
    check=check,
    levels=EncryptionLevels(),
    messages={
        "off": "Drive {drive} is not protected by BitLocker.",
        "absent": "This Windows has no BitLocker, so drive {drive} is not protected by it.",
    },
    why="A stolen disk that is not encrypted is a breach that must be reported; an encrypted one is not.",
    remedy="Switch BitLocker on and keep the recovery key apart from the machine; where another product "
    "encrypts the disk, have the finding accepted with its name.",
    verify="`manage-bde -status` as administrator shows Protection On for the drive.",
    visits=frozenset({Visit.SIX_MONTH, Visit.TUNE_UP, Visit.INTERIM}),
    rights="a local administrator",
    references=("domain: security.disk-encryption", "45 CFR 164.312(a)(2)(iv)"),
)
