"""Who may do everything on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Parameter,
    Passed,
    Probe,
    Result,
    Section,
    Shell,
    Text,
)


@dataclass(frozen=True, slots=True)
class Administrators:
    """`roots` have user id 0; `members` belong to a group of administrators; `declared` are agreed."""

    roots: tuple[str, ...]
    members: tuple[str, ...]
    declared: tuple[str, ...]


# getent also sees accounts of a directory; only administrators' names leave the machine.
POSIX = """
users() { getent passwd 2>/dev/null || cat /etc/passwd; }
groups_of() { getent group sudo wheel admin 2>/dev/null || cat /etc/group; }
[ -r /etc/passwd ] || denied "/etc/passwd"
users | awk -F: '$3 == 0 { print "root " $1 }'
groups_of | awk -F: '$1 == "sudo" || $1 == "wheel" || $1 == "admin" {
  n = split($4, member, ","); for (i = 1; i <= n; i++) print "member " member[i] }'
printf '%s\\n' "$P_administrators" | while IFS= read -r name; do echo "declared $name"; done
exit 0
"""


def parse(raw: JSON, source: str, version: int) -> Administrators:
    found = re.findall(r"^(root|member|declared) ?(.*)$", str(raw), re.M)
    if not any(kind == "declared" for kind, _ in found):
        raise ValueError("the list has no end")

    def names(kind: str) -> tuple[str, ...]:
        return tuple(sorted({name.strip() for k, name in found if k == kind and name.strip()}))

    return Administrators(names("root"), names("member"), names("declared"))


administrators = Section(
    name="administrators",
    facts=Administrators,
    collect={"posix": Shell(POSIX)},
    parse=parse,
    parameters={"administrators": Parameter("texts", (), "accounts that may administer this machine")},
    privacy="names of administrators' accounts",
)


@dataclass(frozen=True, slots=True)
class AdministratorLevels:
    most: int = 5  # administrators beside root, where none are declared


def check(facts: Administrators, levels: AdministratorLevels, ctx: Context) -> Iterator[Result]:
    members = [name for name in facts.members if name != "root"]
    yield Metric(name="administrators", value=Number(len(members)))
    if not facts.roots:
        yield NotChecked(reason="the list of accounts has no root")
        return
    bad = False
    for name in facts.roots:
        if name != "root" and name not in facts.declared:
            bad = True
            yield Finding(impact=Impact.LIMITED, message="second_root", item=name)
    if facts.declared:
        for name in members:
            if name not in facts.declared:
                bad = True
                yield Finding(impact=Impact.LIMITED, message="undeclared", item=name)
    elif len(members) > levels.most:
        bad = True
        yield Finding(
            impact=Impact.NOTE,
            message="many",
            evidence={"administrators": Number(len(members)), "limit": Number(levels.most)},
            value=Number(len(members)),
        )
    if not bad:
        yield Passed(evidence={"administrators": Text(", ".join(members) or "root only")})


root_users = Probe(
    id="host.root-users",
    title="Only agreed accounts administer the machine",
    check=check,
    levels=AdministratorLevels(),
    messages={
        "second_root": "Account {item} has all rights of root under another name.",
        "undeclared": "Account {item} may administer the machine, but is not among those agreed.",
        "many": "{administrators} accounts may administer the machine.",
    },
    why="Each account with all rights is a way to all data; forgotten ones are used by strangers.",
    remedy="Take the rights from accounts that no longer need them; record the others in the site file.",
    verify="`getent group sudo wheel` and `getent passwd 0` show only agreed accounts.",
    references=("domain: security.vendor-access",),
)
