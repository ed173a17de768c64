"""What members, types and variables a PowerShell script uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checkup.testing.powershell_allowed import (
    AUTOMATIC,
    METHODS,
    METHODS_OF,
    REFUSED_PROPERTIES,
    REFUSED_VARIABLES,
    SETTABLE,
    SETTINGS,
    STATICS,
    VALUE_TYPES,
)
from checkup.testing.powershell_code import Code
from checkup.testing.powershell_script import Problem, Script, problem
from checkup.testing.powershell_types import type_name, type_of


def member_problems(node: Code, code: Script) -> Iterator[Problem]:
    sign = next((one for one in node.children if one.kind in (".", "::")), None)
    if sign is None or len(node.children) < 3:
        yield problem(node, "cannot see which member this is")
        return
    target, member = node.children[0], node.children[2]
    given = node.child("argument_list")
    known, name = code.given.parameters, member.text.lower()
    if target.text.lower() == "$p" and known is not None and name not in known:
        yield problem(node, f"the section has no parameter {name}")
    if sign.kind == "::":
        yield from _static(node, target, member, code)
    elif given is not None:
        yield from _method(node, target, member, given, code)
    elif member.kind in ("simple_name", "verbatim_string_characters"):
        name = member.text.strip("'").lower()
        if name in REFUSED_PROPERTIES and not code.permits("property", name):
            yield problem(node, f"property {member.text} could reach any method (REFUSED_PROPERTIES)")
    elif member.kind != "variable":
        yield problem(node, "the name of a property must be a plain word or a variable")


def _static(node: Code, target: Code, member: Code, code: Script) -> Iterator[Problem]:
    if target.kind != "type_literal" or member.kind != "simple_name":
        yield problem(node, ":: needs the plain name of a type and of a member")
        return
    made, name = type_name(target), member.text.lower()
    if name == "new":
        yield problem(node, "PowerShell 2.0 lacks ::new: use New-Object")
        return
    known = STATICS.get(made, frozenset[str]())
    if name not in known and "*" not in known and not code.permits("static", f"{made}::{name}"):
        table = "its members in" if made in STATICS else "the types in"
        yield problem(node, f"{target.text}::{member.text} is not on the list of {table} STATICS")


def _method(node: Code, target: Code, member: Code, given: Code, code: Script) -> Iterator[Problem]:
    if member.kind != "simple_name":
        yield problem(node, "the name of a method must be a plain word")
        return
    name = member.text.lower()
    if name in METHODS_OF.get(type_of(target, code.names), ()):
        return
    rule = METHODS.get(name)
    values = _values(given)
    if rule is None:
        of = sorted(made for made, methods in METHODS_OF.items() if name in methods)
        only = f"; only of a value that is seen to be {' or '.join(of)}" if of else ""
        wrong = f"method {member.text} is not on the list METHODS{only}"
    elif not rule.least <= len(values) <= rule.most:
        wrong = f"method {member.text} takes {rule.least} to {rule.most} arguments here"
    else:
        refused = (
            values[place].text
            for place, pattern in rule.arguments.items()
            if place < len(values) and not pattern.fullmatch(values[place].text)
        )
        wrong = next((f"method {member.text}: argument {text[:40]} is not allowed" for text in refused), "")
    if wrong and not code.permits("method", name):
        yield problem(node, wrong)


def _values(given: Code) -> list[Code]:
    inner = [one for one in given.children if one.kind not in ("(", ")", ",")]
    if len(inner) == 1 and inner[0].kind == "argument_expression_list":
        return [one for one in inner[0].children if one.kind != ","]
    return inner


def type_problems(node: Code, code: Script) -> Iterator[Problem]:
    parent = node.parent
    if parent is not None and parent.children[0] is node and parent.child("::"):
        return  # judged with its member
    if node.kind == "attribute":
        yield problem(node, "attributes run code and differ between versions")
        return
    for made in re.split(r"[\[\],]+", type_name(node, whole=True)):
        harmless = not made or made in VALUE_TYPES or made.endswith("exception")
        if not harmless and not code.permits("type", made):
            yield problem(node, f"type {node.text} is not on the list of plain values (VALUE_TYPES)")


def variable_problems(node: Code, code: Script) -> Iterator[Problem]:
    name = node.text[1:].lower()
    if node.text.startswith("@"):
        yield problem(node, "splatting hides the parameters")
    elif ":" in name:
        if not name.startswith("env:"):
            yield problem(node, f"{node.text}: of the scopes and drives only $env: may be read")
    elif name in REFUSED_VARIABLES:
        if not code.permits("variable", name):
            yield problem(node, f"{node.text} is refused: {REFUSED_VARIABLES[name]}")
    elif name == "?":
        yield problem(node, "$? says little: use try and catch")
    elif name not in AUTOMATIC | SETTINGS | code.given.variables | code.names.keys():
        yield from () if code.permits("variable", name) else [problem(node, f"nothing sets {node.text}")]


def assignable_problems(target: Code, code: Script) -> Iterator[Problem]:
    match target.kind:
        case "variable":
            name = target.text[1:].lower()
            if not re.fullmatch(r"[a-z][a-z0-9]*", name) or name in AUTOMATIC or name in code.given.variables:
                yield problem(target, f"{target.text} may not be set here")
            elif name.startswith("checkup") and not code.permits("set", name):
                yield problem(target, f"{target.text} belongs to the prologue")
        case "cast_expression":
            yield from assignable_problems(target.children[-1], code)
        case "array_literal_expression":
            for one in target.children:
                if one.kind != ",":
                    yield from assignable_problems(one, code)
        case "element_access":
            base = target.children[0]
            if base.kind == "variable" and (
                ":" in base.text or base.text[1:].lower() in code.given.variables
            ):
                yield problem(target, f"an element of {base.text} may not be set")
        case "member_access":
            yield from _settable(target, code)
        case _:
            yield problem(target, f"{target.text[:40]!r} may not be set")


def _settable(target: Code, code: Script) -> Iterator[Problem]:
    base, member = target.children[0], target.children[-1]
    name = member.text.strip("'").lower()
    known = SETTABLE.get(type_of(base, code.names), frozenset[str]())
    simple = base.kind == "variable" and member.kind in ("simple_name", "verbatim_string_characters")
    if simple and (name in known or "*" in known):
        return
    if not code.permits("property", name):
        what = f"property {member.text} of {base.text[:30]}"
        yield problem(
            target, f"{what} may not be set: only of a hashtable that is seen to be one, $h = @{{}}"
        )
