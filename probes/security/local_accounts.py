"""Accounts that the machine itself keeps: the guest, the built-in administrator, those without a password."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    When,
    Wmi,
    WmiQuery,
    Worse,
)
from probes.windows.rows import flag, number, rows, text


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """`relative_id` is the end of the account's SID: 500 the built-in administrator, 501 the guest, from
    1000 on those that people made (MS-DTYP, section 2.4.2.4)."""

    relative_id: int
    enabled: bool
    needs_password: bool


@dataclass(frozen=True, slots=True)
class LocalAccounts:
    accounts: tuple[LocalAccount, ...]


QUERIES = Wmi(
    (WmiQuery("Win32_UserAccount", ("SID", "Disabled", "PasswordRequired"), where="LocalAccount=TRUE"),),
    cost="medium",
)

ADMINISTRATOR, GUEST, FIRST_MADE = 500, 501, 1000


def parse(raw: JSON, source: str, version: int) -> LocalAccounts:
    return LocalAccounts(
        tuple(
            LocalAccount(
                relative_id=number(text(row["SID"]).rpartition("-")[2]) or 0,
                enabled=flag(row["Disabled"]) is False,
                needs_password=flag(row["PasswordRequired"]) is not False,
            )
            for row in rows(raw, "Win32_UserAccount")
        )
    )


local_accounts = Section(
    name="local-accounts",
    facts=LocalAccounts,
    collect={"windows": QUERIES},
    parse=parse,
    privacy="identifiers and states of the machine's own accounts; no names",
)


@dataclass(frozen=True, slots=True)
class LocalAccountLevels:
    # Roles of machines on which the built-in administrator should sleep; servers are installed with it.
    administrator_sleeps: tuple[str, ...] = ("workstation",)


def check(facts: LocalAccounts, levels: LocalAccountLevels, ctx: Context) -> Iterator[Result]:
    if not facts.accounts:
        yield NotApplicable(reason="the machine has no accounts of its own, as on a domain controller")
        return
    awake = [one for one in facts.accounts if one.enabled]
    clean = True
    if any(one.relative_id == GUEST for one in awake):
        clean = False
        yield Finding(impact=Impact.LIMITED, message="guest", item="guest")
    built_in = any(one.relative_id == ADMINISTRATOR for one in awake)
    if built_in and ctx.target.role in levels.administrator_sleeps:
        clean = False
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="administrator", item="administrator")
    open_ones = sum(not one.needs_password for one in awake if one.relative_id >= FIRST_MADE)
    if open_ones:
        clean = False
        yield Finding(
            impact=Impact.LIMITED,
            message="no_password",
            item="no password",
            evidence={"accounts": Number(open_ones)},
            value=Number(open_ones),
            worse=Worse.HIGHER,
        )
    if clean:
        yield Passed(evidence={"accounts": Number(len(awake))})


local_account_states = Probe(
    id="security.local-accounts",
    title="The guest sleeps, and every account of the machine needs a password",
    check=check,
    levels=LocalAccountLevels(),
    messages={
        "guest": "The guest account is enabled.",
        "administrator": "The built-in administrator, whose account is never locked, is enabled.",
        "no_password": "{accounts} enabled accounts of the machine may have an empty password.",
    },
    why="Accounts that everybody has, and those without a password, are tried first.",
    remedy="Disable the guest, and on workstations the built-in administrator; require a password for every "
    "other account, or disable it.",
    verify="`lusrmgr.msc` shows the accounts as disabled; `net user` with the name says that a password is "
    "required.",
    references=("domain: security.vendor-access, for accounts of the machine",),
)
