"""What a batch is made of, whatever shell runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from checkup.api import Declared

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchSection:
    """One section of one target: `script` is its code, `timeout_s` its deadline.

    A parameter arrives in a shell script as `$P_<name>` (a tuple as one value a line), in PowerShell
    as `$P.<name>`.
    """

    target: str
    name: str
    version: int
    script: str
    timeout_s: int
    parameters: Mapping[str, Declared] = field(default_factory=dict[str, Declared])


def where_of(section: BatchSection) -> str:
    return f"section {section.name!r} of target {section.target!r}"


def check_identifier(identifier: str, what: str) -> None:
    """Raises ValueError for other characters than letters, digits, dot, dash and underscore."""
    if not _IDENTIFIER.fullmatch(identifier):
        raise ValueError(
            f"{what}: {identifier!r} must have letters, digits, dots, dashes and underscores only"
        )


def checked_code(section: BatchSection) -> str:
    """The section's code without the line breaks around it. Raises ValueError for what cannot be sent."""
    where = where_of(section)
    check_identifier(section.target, "target of " + where)
    check_identifier(section.name, "name of " + where)
    if section.timeout_s < 1 or not 0 <= section.version < 1_000_000:
        raise ValueError(f"{where}: the timeout must be at least 1 s, the version from 0 to 999999")
    code = section.script.strip("\n")
    unusual = next((c for c in code if not (" " <= c <= "~" or c in "\n\t")), None)
    if unusual is not None:
        raise ValueError(f"{where}: its code holds the character {unusual!r}; only plain ASCII can be sent")
    return code


def check_parameter(section: BatchSection, name: str) -> str:
    """A parameter's value as text, a tuple as one value a line. Raises ValueError."""
    where = f"parameter {name!r} of {where_of(section)}"
    value = section.parameters[name]
    if not _PARAMETER.fullmatch(name):
        raise ValueError(f"{where}: a name has letters, digits and underscores only")
    if isinstance(value, tuple):
        if any("\n" in one for one in value):
            raise ValueError(f"{where}: a value of a list cannot hold a line break")
        value = "\n".join(value)
    text = str(value)
    if "\0" in text:
        raise ValueError(f"{where}: a value cannot hold a NUL character")
    return text
