"""A PowerShell script as the lint looks at it: what it is given, defines and calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from checkup.testing.powershell_code import Code
from checkup.testing.powershell_types import Names, literals


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


def problem(node: Code, text: str) -> Problem:
    return Problem(node.line, text)


@dataclass(frozen=True, slots=True)
class Signature:
    """The parameters of a function, in order, in lower case; switches take no value."""

    parameters: tuple[str, ...]
    switches: frozenset[str]


Functions = Mapping[str, Signature]  # by name in lower case


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a script finds ready, and what it may do beyond a fragment (permissions: why, by "kind name")."""

    functions: Functions
    variables: frozenset[str]
    permissions: Mapping[str, str]
    parameters: frozenset[str] | None  # of the section; None: not known


@dataclass(frozen=True, slots=True)
class Script:
    """What the checks of the parts need to know of the whole."""

    given: Given
    root: Code
    names: Names
    own: Mapping[str, Code]  # functions defined here
    asked: Mapping[str, int]  # Get-Command asked for it, ending there
    used: set[str] = field(default_factory=set[str])  # permissions

    def permits(self, kind: str, name: str) -> bool:
        key = f"{kind} {name}".lower()
        if key not in self.given.permissions:
            return False
        self.used.add(key)
        return True


# --- functions --------------------------------------------------------------------------------

BLOCKS = ("function_statement", "script_block_expression")


def in_function(node: Code) -> bool:
    return any(one.kind == "function_statement" for one in node.above())


def own_functions(root: Code) -> dict[str, Code]:
    """The functions defined at the top level, by name in lower case."""
    top = [one for one in root.walk() if one.kind == "function_statement" and not in_function(one)]
    return {name.text.lower(): one for one in top if (name := one.child("function_name")) is not None}


def signature_of(function: Code) -> Signature:
    parameters: list[str] = []
    switches: set[str] = set()
    for one in function.walk():
        variable = one.child("variable") if one.kind == "script_parameter" else None
        if variable is None or next(up for up in one.above() if up.kind in BLOCKS) is not function:
            continue
        name = variable.text[1:].lower()
        parameters.append(name)
        if re.match(r"\[(switch|[\w.]*switchparameter)\]", one.text, re.IGNORECASE):
            switches.add(name)
    return Signature(tuple(parameters), frozenset(switches))


# --- commands ---------------------------------------------------------------------------------

# Output that goes nowhere.
TO_NOTHING = re.compile(r"(?:[12]?>\s*\$null(?![\w:.\[(])|2>&1(?!\w))")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a command is given: values by parameter (in lower case), and those without one, in order."""

    named: Mapping[str, Code | None]
    positional: tuple[Code, ...]

    def value(self, name: str, place: int) -> Code | None:
        if name in self.named:
            return self.named[name]
        return self.positional[place] if place < len(self.positional) else None


def command_name(node: Code) -> str:
    found = node.child("command_name")
    return found.text if found else ""


def elements(node: Code) -> list[Code]:
    """The parameters and values of a command."""
    below = node.child("command_elements")
    return [one for one in below.children if one.kind != "redirection"] if below else []


def arguments(node: Code, switches: frozenset[str]) -> Arguments:
    named: dict[str, Code | None] = {}
    positional: list[Code] = []
    open_name = ""
    for one in elements(node):
        if one.kind == "command_parameter":
            open_name = one.text[1:].lower()
            named[open_name] = None
            if open_name in switches:
                open_name = ""
        elif open_name:
            named[open_name], open_name = one, ""
        elif not TO_NOTHING.fullmatch(one.text):
            positional.append(one)
    return Arguments(named, tuple(positional))


def asked_commands(root: Code) -> dict[str, int]:
    """Where Get-Command first asked for a command, by name in lower case."""
    asked: dict[str, int] = {}
    for node in root.walk():
        if node.kind == "command" and command_name(node).lower() == "get-command":
            for name in literals(arguments(node, frozenset()).value("name", 0), {}) or ():
                asked.setdefault(name.lower(), node.end)
    return asked
