"""What can be told of a value of a PowerShell script without running it: its type, or its text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkup.testing.powershell_allowed import (
    ACCELERATORS,
    GIVES_TEXT,
    KEEPS_TYPE,
    STATIC_TEXT,
)
from checkup.testing.powershell_allowed import (
    names as words,
)
from checkup.testing.powershell_code import Code


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One place where a variable is set: to a value, or to something of a type ("" where unknown)."""

    variable: Code
    statement: Code  # done when this is: the assignment, the loop, the parameter
    value: Code | None = None
    type: str = ""
    adds: bool = False  # by +=
    looped: bool = False  # to each of the value's elements
    parameter: bool = False


Names = Mapping[str, list[Binding]]  # by name in lower case
Seen = frozenset[Binding]  # on the way to a value


def names_of(root: Code) -> Names:
    """Every variable that the script sets: assignments, loops, parameters."""
    found: dict[str, list[Binding]] = {}
    for node in root.walk():
        for binding in _bindings(node):
            found.setdefault(binding.variable.text[1:].lower(), []).append(binding)
    return found


def _bindings(node: Code) -> Iterator[Binding]:
    variable = node.child("variable")
    match node.kind:
        case "assignment_expression":
            target, operator, value = node.children[0], node.children[1].text.strip(), node.children[-1]
            if target.kind == "variable":
                yield Binding(target, node, value, adds=operator != "=")
            elif target.kind == "cast_expression" and target.children[-1].kind == "variable":
                yield Binding(target.children[-1], node, type=type_name(target.children[0]))
            elif target.kind in ("array_literal_expression", "cast_expression"):
                yield from (Binding(one, node) for one in target.walk() if one.kind == "variable")
        case "foreach_statement" if variable is not None:
            place = node.children.index(variable)
            yield Binding(variable, node, node.children[place + 2], looped=True)
        case "script_parameter" if variable is not None:
            kind = next((one for one in node.walk() if one.kind == "type_literal"), None)
            yield Binding(variable, node, type=type_name(kind) if kind else "", parameter=True)
        case _:
            pass


# What runs again and again, or at some other time.
REPEATS = words(
    "foreach_statement for_statement while_statement do_statement switch_statement script_block_expression"
)


def in_force(node: Code, names: Names) -> list[Binding]:
    """All that this variable may have been set to where it is used.

    The last statement before it that is reached whenever the use is, and what could come between. Where
    there is none, all of the script counts: PowerShell shows a function the variables of its callers.
    """
    bindings = names.get(node.text[1:].lower(), [])
    above = list(node.above())
    here = _function(node)
    own = [one for one in bindings if _function(one.variable) is here]
    sure = [
        one
        for one in own
        if (one.parameter and _owner(one) in above)
        or (one.statement.end <= node.start and not one.adds and _list_of(one) in above)
    ]
    if not sure:
        return [one for one in bindings if not one.parameter or one in own]
    last = max(sure, key=lambda one: one.variable.start)
    loops = [one for one in above if one.kind in REPEATS and not _holds(one, last.variable)]
    return [last] + [
        one
        for one in own
        if one is not last
        and (
            (last.variable.start < one.variable.start and _before(one, node))
            or any(_holds(loop, one.variable) for loop in loops)
        )
    ]


def _owner(binding: Binding) -> Code | None:
    """The function or block whose parameter it is."""
    owners = ("function_statement", "script_block_expression", "program")
    return next((one for one in binding.statement.above() if one.kind in owners), None)


def _list_of(binding: Binding) -> Code | None:
    """The list of statements in which the assignment stands by itself."""
    parent = binding.statement.parent
    is_one = binding.statement.kind == "assignment_expression"
    return parent if is_one and parent is not None and parent.kind == "statement_list" else None


def _before(binding: Binding, node: Code) -> bool:
    """A loop sets its variable before its body runs, an assignment when all of it is done."""
    return (binding.variable if binding.looped else binding.statement).end <= node.start


def _holds(outer: Code, inner: Code) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _function(node: Code) -> Code | None:
    return next((one for one in node.above() if one.kind == "function_statement"), None)


# --- types ------------------------------------------------------------------------------------


def plain_type(text: str, *, whole: bool = False) -> str:
    """A type's name in lower case without `System.`; without its brackets unless the whole is wanted."""
    name = "".join(text.split()).lower()
    if whole:
        parts = name.replace("]", "[").replace(",", "[").split("[")
        return "[".join(plain_type(part) for part in parts if part)
    name = name.split("[")[0].removeprefix("system.")
    return ACCELERATORS.get(name, name)


def type_name(node: Code, *, whole: bool = False) -> str:
    """The type that a literal like [int] names; "array" for [int[]]."""
    text = node.text.strip()[1:-1]
    if not whole and text.rstrip().endswith("[]"):
        return "array"
    return plain_type(text, whole=whole)


def type_of(node: Code, names: Names, seen: Seen = frozenset()) -> str:
    """The type of a value where every way to it is in sight, else ""."""
    match node.kind:
        case "hash_literal_expression":
            return "collections.hashtable"
        case "verbatim_string_characters" | "expandable_string_literal" | "format_expression":
            return "string"
        case "cast_expression":
            return type_name(node.children[0])
        case "parenthesized_expression" if len(node.children) == 3:
            return type_of(node.children[1], names, seen)
        case "additive_expression" if node.children[1].text.strip() == "+":
            return "string" if type_of(node.children[0], names, seen) == "string" else ""
        case "comparison_expression" | "expression_with_unary_operator":
            return "string" if any(one.text.lower() == "-join" for one in node.children) else ""
        case "command":
            return _made(node)
        case "invokation_expression":
            return _answer(node, names, seen)
        case "variable":
            return _variable_type(node, names, seen)
        case _:
            return ""


def _made(node: Code) -> str:
    words = node.text.split()
    if len(words) < 2 or words[0].lower() != "new-object":
        return ""
    word = words[2] if words[1].lower() == "-typename" and len(words) > 2 else words[1]
    return plain_type(word.strip("'\"").split("(")[0])


def _answer(node: Code, names: Names, seen: Seen) -> str:
    if len(node.children) < 3:
        return ""
    target, sign, member = node.children[:3]
    name = member.text.lower()
    if sign.kind == "::":
        made = type_name(target) if target.kind == "type_literal" else ""
        if (made, name) == ("diagnostics.stopwatch", "startnew"):
            return made
        return "string" if (made, name) in STATIC_TEXT else ""
    if name in KEEPS_TYPE or name in ("insert", "remove", "replace"):
        return type_of(target, names, seen)
    return "string" if name in GIVES_TEXT else ""


def _variable_type(node: Code, names: Names, seen: Seen) -> str:
    found: set[str] = set()
    grows = False
    for binding in in_force(node, names):
        if binding in seen:
            continue  # a loop that hands its own value on adds no type
        if binding.adds:
            grows = True
        elif binding.value is None or binding.looped:
            found.add(binding.type)
        else:
            found.add(type_of(binding.value, names, seen | {binding}))
    if grows and found != {"string"}:
        return ""
    return found.pop() if len(found) == 1 else ""


# --- texts ------------------------------------------------------------------------------------


def literals(node: Code | None, names: Names, seen: Seen = frozenset()) -> set[str] | None:
    """All texts that a value can be, where every one is written in the script; else None."""
    if node is None:
        return None
    match node.kind:
        case "verbatim_string_characters":
            return {node.text[1:-1].replace("''", "'")}
        case "expandable_string_literal":
            return None if node.children and "$" in node.text else {node.text[1:-1]}
        case "generic_token":
            return {node.text}
        case "array_literal_expression" | "array_expression" | "parenthesized_expression" | "statement_list":
            parts = [one for one in node.children if one.kind not in ("@(", "(", ")", ",", "comment")]
            found = [literals(one, names, seen) for one in parts]
            return None if None in found else {text for one in found for text in one or ()}
        case "variable":
            bindings = [one for one in in_force(node, names) if one not in seen]
            if not bindings or any(one.value is None or one.adds for one in bindings):
                return None
            found = [literals(one.value, names, seen | {one}) for one in bindings]
            return None if None in found else {text for one in found for text in one or ()}
        case _:
            return None
