"""One batch for a Windows machine: a plain, readable script for Windows PowerShell 2.0 to 5.1.

The script is 7-bit ASCII, so that every code page reads it alike, and one block that starts on the
first line and ends on the last: a script that was cut on its way is a syntax error and runs nothing.
`probes/powershell/lib.ps1` and `boot.ps1` are the same in every batch; below them stand one call of
`Hello`, one of `Section` for each section with the section's own code in braces, and `Goodbye`.

- Nothing is written on the machine, encoded or compressed; parameters are base64 data, never code.
- A section runs in a runspace of its own with a deadline; the machine itself reports the one that
  hangs, and goes on with the next.
- The payload of a frame is JSON in base64, in lines of 76 characters, which no console wraps.
- Frames are printed in groups, at the latest 2 s after they were made or at 32 kB.

How it is started: see `BOOTSTRAP`. It does nothing under Constrained Language Mode but say so.

The batch's hash is the SHA-256 of the script without the line that names it; the first twelve digits
are the token that every frame carries.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from checkup.api import WmiQuery
from checkup.batch.section import BatchSection, check_identifier, check_parameter, checked_code

PROGRAM = "powershell.exe"
ARGUMENTS = ("-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass", "-Command")

# What a machine prints in place of a batch's frames where it allows no full language.
LANGUAGE_MARK = b"#CHECKUP-LANGUAGE "

_FULL_LANGUAGE_ONLY = (
    "if ($ExecutionContext.SessionState.LanguageMode -ne 'FullLanguage') "
    "{ '#CHECKUP-LANGUAGE ' + $ExecutionContext.SessionState.LanguageMode; exit 86 }"
)

# Follows ARGUMENTS on the command line of a remote shell (WinRS). Standard input reaches a command
# as $input, line by line.
BOOTSTRAP = f"{_FULL_LANGUAGE_ONLY}; & ([scriptblock]::Create([string]::Join([string][char]10, @($input))))"

# Over SSH the command line must mean the same to cmd and to PowerShell, whichever is the account's
# shell, so it holds no character that is special to either: PowerShell reads its commands from
# standard input, and the first line of that makes it take the rest as one.
SSH_COMMAND = " ".join((PROGRAM, *ARGUMENTS, "-"))
SSH_FIRST_LINE = f"{_FULL_LANGUAGE_ONLY}; & ([scriptblock]::Create([Console]::In.ReadToEnd()))\n".encode()

_BATCH_LINE = re.compile(rb"^\$CheckupBatch = '([0-9a-f]{64})'$", re.MULTILINE)


def assemble(
    sections: Sequence[BatchSection],
    *,
    site: str,
    endpoint: str,
    checksums: bool = True,
) -> bytes:
    """The batch that collects these sections in this order.

    Without `checksums` the frames carry none: for a connection that has check sums of its own.

    Raises ValueError, naming the section, for what cannot be sent: an identifier with other
    characters than letters, digits, dot, dash and underscore; code that is not plain ASCII; a
    parameter with a NUL character, or a list whose value holds a line break.
    """
    check_identifier(site, "site")
    check_identifier(endpoint, "endpoint")
    opening = [
        "& {",
        f"# A check-up of {endpoint}, site {site}. It reads, and changes nothing.",
    ]
    body = [
        f"$CheckupChecksums = ${'true' if checksums else 'false'}",
        "$CheckupLibrary = {",
        *_prologue("lib.ps1"),
        "}",
        *_prologue("boot.ps1"),
        "",
        f"Hello '{site}' '{endpoint}'",
    ]
    for section in sections:
        body += ["", *_call(section)]
    body += ["", "Goodbye", "}", ""]
    batch = sha256("\n".join([*opening, *body]).encode("ascii")).hexdigest()
    return "\n".join([*opening, f"$CheckupBatch = '{batch}'", *body]).encode("ascii")


def batch_of(script: bytes) -> str:
    """The hash that an assembled script carries and its HELLO reports."""
    found = _BATCH_LINE.search(script)
    if found is None:
        raise ValueError("this is not a batch for PowerShell: it has no $CheckupBatch line")
    return found[1].decode("ascii")


def token_of(script: bytes) -> str:
    """What every frame of this script carries, so that noise is never taken for a frame."""
    return batch_of(script)[:12]


def query_fragment(queries: Sequence[WmiQuery]) -> str:
    """The fragment that asks these queries: what a `Wmi` collector is in a batch."""
    lines = ["$rows = @{}"]
    for query in queries:
        properties = ", ".join(map(_quoted, query.properties))
        where = f" -Where {_quoted(query.where)}" if query.where else ""
        optional = " -Optional" if query.optional else ""
        lines += [
            f"$properties = {properties}" if len(query.properties) > 1 else f"$properties = @({properties})",
            f"$rows[{_quoted(query.wmi_class)}] = Wmi -Class {_quoted(query.wmi_class)}"
            f" -Namespace {_quoted(query.namespace)} -Properties $properties{where}{optional}",
        ]
    return "\n".join([*lines, "$rows"])


def _call(section: BatchSection) -> list[str]:
    code = checked_code(section)
    head = f"Section '{section.target}' '{section.name}' {section.version} {section.timeout_s} @{{"
    values = [f"  '{name}' = {_value(section, name)}" for name in section.parameters]
    return [head, *values, "} {", code, "}"]


def _value(section: BatchSection, name: str) -> str:
    text = check_parameter(section, name)
    value = section.parameters[name]
    if isinstance(value, int):
        return str(value)
    encoded = base64.b64encode(text.encode("utf-8")).decode("ascii")
    return f"({'Texts' if isinstance(value, tuple) else 'Text'} '{encoded}')"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@cache
def _prologue(name: str) -> tuple[str, ...]:
    text = files("probes.powershell").joinpath(name).read_text(encoding="ascii")
    return tuple(text.splitlines())
