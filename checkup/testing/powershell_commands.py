"""What commands a PowerShell script calls: cmdlets, programs, functions; and the functions it defines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from checkup.testing.powershell_allowed import (
    ALIASES,
    CMDLETS,
    COM_OBJECTS,
    ERROR_ACTIONS,
    NEW_OBJECTS,
    NEWER,
    PROGRAMS,
    REFUSED_COMMANDS,
    Cmdlet,
    names,
)
from checkup.testing.powershell_code import Code
from checkup.testing.powershell_script import (
    TO_NOTHING,
    Arguments,
    Problem,
    Script,
    Signature,
    arguments,
    command_name,
    elements,
    in_function,
    problem,
    signature_of,
)
from checkup.testing.powershell_types import literals, plain_type
from checkup.testing.wmi_lint import class_problem, namespace_problem

COMMAND = re.compile(r"[A-Za-z][A-Za-z0-9]*(-[A-Za-z][A-Za-z0-9]*)?(\.exe)?")
RANGE = re.compile(r"\d+\.\.\d+")  # a number first: an expression to PowerShell
PARAMETER = re.compile(r"-[A-Za-z][A-Za-z0-9]*")
FUNCTION = re.compile(r"[A-Z][A-Za-z0-9]{2,39}")


def command_problems(node: Code, code: Script) -> Iterator[Problem]:
    operator = node.child("command_invokation_operator")
    if operator is not None:
        if not code.permits("operator", operator.text):
            yield problem(node, f"{operator.text} runs what cannot be read here")
        return
    name = command_name(node)
    key = name.lower()
    if RANGE.fullmatch(name) and not elements(node):
        return
    if not COMMAND.fullmatch(name):
        yield problem(node, f"the name of a command must be a plain word, not {name[:40]!r}")
        return
    yield from _argument_forms(node)
    if key in ALIASES:
        yield problem(node, f"{name} is an alias: write the cmdlet's own name")
    elif (own := code.own.get(key)) is not None:
        if not _sure(own, node, code):
            yield problem(node, f"function {name} is called where it may not be defined yet")
        yield from _call_problems(node, name, signature_of(own), code)
    elif key in code.given.functions:
        yield from _call_problems(node, name, code.given.functions[key], code)
    elif key in CMDLETS or key in NEWER or code.permits("cmdlet", name):
        yield from _cmdlet(node, name, code)
    elif key in PROGRAMS:
        yield from _program(node, name)
    elif key in REFUSED_COMMANDS:
        yield problem(node, f"{name} is refused: {REFUSED_COMMANDS[key]}")
    else:
        table = "programs (PROGRAMS)" if key.endswith(".exe") else "cmdlets that only read (CMDLETS)"
        yield problem(node, f"{name} is not on the list of {table}, and no function that is known")


def _argument_forms(node: Code) -> Iterator[Problem]:
    """Arguments that PowerShell reads as text where the grammar sees an expression, and the like."""
    words = [one for one in (node.child("command_name"), *elements(node)) if one]
    for before, after in pairwise(words):
        if before.end == after.start:
            if not makes_an_object(after):
                yield problem(after, f"put a blank before {after.text[:40]!r}")
        elif not node.text[before.end - node.start : after.start - node.start].isspace():
            yield problem(
                after, f"between {before.text[:40]!r} and {after.text[:40]!r} a blank belongs, no more"
            )
    if len(node.children) > 1 + bool(node.child("command_elements")):
        yield problem(node, f"put a blank before the first argument of {command_name(node)}")
    for one in elements(node):
        if one.kind == "command_parameter":
            if not PARAMETER.fullmatch(one.text):
                yield problem(one, f"{one.text[:40]} is no plain parameter")
        elif one.kind in ("type_literal", "cast_expression"):
            yield problem(one, f"{one.text[:40]} would be a text here: put it in brackets")
        elif one.kind == "variable" and one.text.startswith("@"):
            yield problem(one, "splatting hides the parameters")
        elif one.kind.endswith("_expression") and one.kind not in ARGUMENT_KINDS:
            simple = one.kind == "expression_with_unary_operator" and re.fullmatch(r"-[\d.]+", one.text)
            if not simple:
                yield problem(one, f"put {one.text[:40]!r} in brackets")


ARGUMENT_KINDS = names(
    """invokation_expression array_literal_expression array_expression hash_literal_expression
    parenthesized_expression script_block_expression sub_expression"""
)


def _cmdlet(node: Code, name: str, code: Script) -> Iterator[Problem]:
    key = name.lower()
    rule = CMDLETS.get(key) or NEWER.get(key) or Cmdlet(positional=9)
    if key in NEWER and code.asked.get(key, node.start) >= node.start:
        yield problem(node, f"PowerShell 2.0 lacks {name}: ask Get-Command '{name}' before")
    given = arguments(node, rule.switches)
    for parameter, value in given.named.items():
        if parameter == "erroraction":
            if value is None or value.text.strip("'").lower() not in ERROR_ACTIONS:
                yield problem(node, f"-ErrorAction of {name} must be Stop or SilentlyContinue")
        elif parameter not in rule.valued | rule.switches:
            yield problem(node, f"-{parameter} is not on the list of parameters of {name} (2.0 must know it)")
        elif parameter in rule.valued and value is None:
            yield problem(node, f"-{parameter} of {name} lacks its value")
    if len(given.positional) > rule.positional and key != "new-object":
        yield problem(node, f"{name} takes {rule.positional} values without a parameter's name here")
    if key == "new-object":
        yield from _new_object(node, given, code)
    if key in ("where-object", "foreach-object"):
        blocks = [*given.positional, *(v for k, v in given.named.items() if v and k != "erroraction")]
        if not blocks or any(one.kind != "script_block_expression" for one in blocks):
            yield problem(node, f"{name} takes a block in braces here (2.0 knows no other form)")


def _new_object(node: Code, given: Arguments, code: Script) -> Iterator[Problem]:
    if "comobject" in given.named:
        values = literals(given.named["comobject"], code.names)
        for value in values or {"?"}:
            if value.lower() not in COM_OBJECTS and not code.permits("com", value):
                yield problem(node, f"COM object {value} is not on the list COM_OBJECTS")
        return
    value = given.value("typename", 0)
    values = literals(value, code.names) if value is not None and value.kind != "variable" else None
    if not values:
        yield problem(node, "New-Object needs the plain name of a type")
        return
    for value in values:
        made = plain_type(value)
        if made not in NEW_OBJECTS and not code.permits("new", made):
            yield problem(node, f"type {value} is not on the list of what may be made (NEW_OBJECTS)")
        if made == "io.filestream" and not _reads_only(_constructor_values(node, given)):
            yield problem(
                node, "open a file as (path, 'Open', 'Read', 'ReadWrite'): others must go on working"
            )


def _constructor_values(node: Code, given: Arguments) -> list[Code]:
    """What `New-Object Type(...)`, or with -ArgumentList, is given."""
    value = node.child("command_elements") and next(
        (one for one in elements(node) if one.kind == "argument_list"), given.value("argumentlist", 1)
    )
    while value is not None and value.kind != "array_literal_expression":
        inner = [one for one in value.children if one.kind not in ("(", ")", "@(", ",")]
        if value.kind == "argument_expression_list":
            return inner
        if value.kind not in (
            "argument_list",
            "parenthesized_expression",
            "array_expression",
            "statement_list",
        ):
            return [value]
        value = inner[0] if len(inner) == 1 else None
    return [one for one in value.children if one.kind != ","] if value else []


# Path, mode, access, and what others may do with the file meanwhile.
READING = ("Open", "Read", "ReadWrite")


def _reads_only(values: list[Code]) -> bool:
    if len(values) != 1 + len(READING):
        return False
    return all(
        re.fullmatch(rf"'{word}(, *Delete)?'|\[(System\.)?IO\.File\w+\]::{word}", value.text, re.IGNORECASE)
        for word, value in zip(READING, values[1:], strict=True)
    )


def makes_an_object(node: Code) -> bool:
    """The brackets of `New-Object Type(argument, ...)`."""
    parent = node.parent
    if parent is None or parent.parent is None or command_name(parent.parent).lower() != "new-object":
        return False
    place = parent.children.index(node)
    return place > 0 and parent.children[place - 1].kind == "generic_token"


def _program(node: Code, name: str) -> Iterator[Problem]:
    given = [one for one in elements(node) if not TO_NOTHING.fullmatch(one.text)]
    line = " ".join(one.text for one in given)
    if any(one.kind != "generic_token" for one in given) or not PROGRAMS[name.lower()].fullmatch(line):
        yield problem(node, f"{name} {line[:60]} does not match its line in PROGRAMS")


def _call_problems(node: Code, name: str, signature: Signature, code: Script) -> Iterator[Problem]:
    given = arguments(node, signature.switches)
    for parameter, value in given.named.items():
        if parameter not in signature.parameters:
            yield problem(node, f"function {name} has no parameter -{parameter}")
        elif value is None and parameter not in signature.switches:
            yield problem(node, f"-{parameter} of {name} lacks its value")
    free = [one for one in signature.parameters if one not in given.named and one not in signature.switches]
    if len(given.positional) > len(free):
        yield problem(node, f"function {name} is given {len(given.positional)} values, takes {len(free)}")
    if name.lower() == "wmi" and "wmi" in code.given.functions:
        yield from _wmi(node, {**dict(zip(free, given.positional, strict=False)), **given.named}, code)


def _wmi(node: Code, given: Mapping[str, Code | None], code: Script) -> Iterator[Problem]:
    classes = literals(given.get("class"), code.names)
    if classes is None:
        yield problem(node, "Wmi needs the plain name of a class")
    namespace = given.get("namespace")
    namespaces = literals(namespace, code.names) if namespace is not None else {"root\\cimv2"}
    if namespaces is None:
        yield problem(node, "Wmi needs the plain name of a namespace")
    if literals(given.get("properties"), code.names) is None:
        yield problem(node, "Wmi needs the plain names of the properties")
    filtered = given.get("where") is not None
    for one in namespaces or ():
        if text := namespace_problem(one):
            yield problem(node, text)
        for name in classes or ():
            if text := class_problem(name, one, filtered=filtered):
                yield problem(node, text)


def definition_problems(node: Code, code: Script) -> Iterator[Problem]:
    name = node.child("function_name")
    text = name.text if name is not None else ""
    key = text.lower()
    if not FUNCTION.fullmatch(text):
        yield problem(node, f"function {text!r} needs a name in one word with a capital, like OldestRow")
    if key in ALIASES or key in CMDLETS or key in code.given.functions or key in REFUSED_COMMANDS:
        yield problem(node, f"function {text} takes the name of something that is there already")
    if not {one.kind for one in node.above()} <= {"statement_list", "program"}:
        yield problem(node, f"function {text} must be defined at the top level")
    if key in code.own and code.own[key] is not node:
        yield problem(node, f"function {text} is defined twice")


def _sure(function: Code, call: Code, code: Script) -> bool:
    """The function is defined whenever this call is reached."""
    if function.end <= call.start:
        return True
    if not in_function(call):
        return False
    calls = [
        one.start
        for one in code.root.walk()
        if one.kind == "command" and command_name(one).lower() in code.own and not in_function(one)
    ]
    return function.end <= min(calls, default=function.end)
