"""Reads a PowerShell fragment and says what in it might change a client's machine, or fail on an old one.

Everything is an allow-list (powershell_allowed): kinds of syntax, cmdlets and their parameters, types,
members, variables. What is not known is refused, so a new way to do harm is refused too. Windows
PowerShell 2.0 sets the grammar. There is no PowerShell to try a fragment with, so what can be seen without
one is looked at as well: names that nothing sets, parameters that a function does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from checkup.testing.powershell_allowed import (
    INTERNAL_FUNCTIONS,
    LOCALISED,
    NEWER_OPERATORS,
    PROLOGUE,
    SECRETS,
    names,
)
from checkup.testing.powershell_code import CannotScan, Code, parse, spans, unclear_line_ends
from checkup.testing.powershell_commands import command_problems, definition_problems, makes_an_object
from checkup.testing.powershell_members import (
    assignable_problems,
    member_problems,
    type_problems,
    variable_problems,
)
from checkup.testing.powershell_script import (
    BLOCKS,
    TO_NOTHING,
    Functions,
    Given,
    Problem,
    Script,
    Signature,
    asked_commands,
    own_functions,
    problem,
    signature_of,
)
from checkup.testing.powershell_types import names_of
from checkup.testing.wmi_lint import class_problem, classes_in

# What the prologue sets and a fragment may read: its parameters, and the culture that is no culture.
FRAGMENT_VARIABLES = frozenset({"p", "invariant"})

MOST_BYTES = 32_000
LONGEST_LINE = 160

PLAIN = names(
    """program statement_list empty_statement pipeline pipeline_chain command command_name command_elements
    command_name_expr path_command_name command_invokation_operator command_parameter generic_token
    comment redirection redirections file_redirection_operator merging_redirection_operator
    redirected_file_name variable simple_name string_literal expandable_string_literal
    verbatim_string_characters sub_expression integer_literal decimal_integer_literal
    hexadecimal_integer_literal real_literal array_literal_expression array_expression
    hash_literal_expression hash_literal_body hash_entry key_expression parenthesized_expression
    script_block_expression script_block script_block_body logical_expression bitwise_expression
    comparison_expression comparison_operator additive_expression multiplicative_expression
    format_expression format_operator range_expression unary_expression expression_with_unary_operator
    cast_expression pre_increment_expression pre_decrement_expression post_increment_expression
    post_decrement_expression logical_argument_expression bitwise_argument_expression
    comparison_argument_expression additive_argument_expression multiplicative_argument_expression
    format_argument_expression range_argument_expression argument_expression argument_expression_list
    argument_list member_access member_name element_access invokation_expression type_literal type_spec
    type_name type_identifier array_type_name generic_type_name generic_type_arguments dimension
    assignment_expression left_assignment_expression assignement_operator if_statement elseif_clauses
    elseif_clause else_clause foreach_statement for_statement for_initializer for_condition for_iterator
    while_statement while_condition do_statement switch_statement switch_condition switch_parameters
    switch_parameter switch_body switch_clauses switch_clause switch_clause_condition try_statement
    catch_clauses catch_clause catch_type_list finally_clause flow_control_statement statement_block
    function_statement function_name function_parameter_declaration param_block parameter_list
    script_parameter script_parameter_default attribute_list attribute"""
)
# Signs and key words of the grammar that are not PowerShell 2.0, or do more than read.
REFUSED_SIGNS: Mapping[str, str] = {
    "&&": "&& is PowerShell 7",
    "||": "|| is PowerShell 7",
    "&": "& runs what cannot be read",
    "<": "< is no PowerShell",
    "filter": "write a function with a parameter",
    "workflow": "a workflow runs elsewhere",
    "-parallel": "-parallel is a workflow's",
    "-file": "switch may not read a file",
}
REFUSED_KINDS: Mapping[str, str] = {
    "braced_variable": "a name in braces could be a file: write $name",
    "class_statement": "classes are PowerShell 5",
    "enum_statement": "enum is PowerShell 5",
    "expandable_here_string_literal": "a here-string hides code: write single lines",
    "verbatim_here_string_characters": "a here-string hides code: write single lines",
    "pipeline_chain_tail": "&& and || are PowerShell 7",
    "stop_parsing": "--% hides what follows it",
    "trap_statement": "use try and catch",
    "named_block": "begin, process and end are for filters: use a parameter and foreach",
    "attribute_arguments": "attributes run code and differ between versions",
    "attribute_argument": "attributes run code and differ between versions",
    "label": "labels hide where a loop ends",
}

WORD = re.compile(r"[A-Za-z0-9_.*:\\/?][A-Za-z0-9_.*:\\/?-]*|\$null")
# \\machine\share, \\.\device, and the providers that lead there.
SHARES = re.compile(r"^\\\\[^\\]+(\\[^\\]|$)|::\\\\|\bWSMan:", re.IGNORECASE)
PATTERNS = re.compile(r"-[ci]?(not)?(match|replace|split)", re.IGNORECASE)
ESCAPES = re.compile(r"`[^nrt0\"$`]")


def problems(
    script: str,
    *,
    where: str = "",
    functions: Functions | None = None,
    variables: frozenset[str] = FRAGMENT_VARIABLES,
    permissions: Mapping[str, str] | None = None,
    parameters: frozenset[str] | None = None,
    most_bytes: int = MOST_BYTES,
) -> list[str]:
    """What this script may not do, in the order of its lines; empty when it only reads.

    `functions` and `variables` are those of the prologue that it may use (those of a fragment, where
    nothing is said), `permissions` what it may do beyond a fragment ("kind name": why), `parameters`
    the section's, read as $P.name (None: any). `where` begins each sentence.
    """
    given = Given(
        functions=library() if functions is None else functions,
        variables=variables,
        permissions={key.lower(): why for key, why in (permissions or {}).items()},
        parameters=None if parameters is None else frozenset(one.lower() for one in parameters),
    )
    found = [*_text_problems(script, most_bytes), *_problems(script, given)]
    lines = sorted(dict.fromkeys(found), key=lambda problem: problem.line)
    return [f"{where}: {problem}" if where else str(problem) for problem in lines]


def signatures(script: str) -> dict[str, Signature]:
    """The functions that a script defines at its top level, by name in lower case."""
    return {name: signature_of(node) for name, node in own_functions(parse(script)).items()}


def prologue_problems() -> list[str]:
    """What the fixed files of a Windows batch may not do, beyond what powershell_allowed.PROLOGUE permits.

    Each may call the functions of those before it.
    """
    found: list[str] = []
    functions: dict[str, Signature] = {}
    for name, permissions in PROLOGUE.items():
        script = _prologue(name)
        variables = frozenset({"invariant"}) if functions else frozenset[str]()
        found += problems(
            script, where=name, functions=functions, variables=variables, permissions=permissions
        )
        functions |= signatures(script)
    return found


@cache
def library() -> Functions:
    """The functions of lib.ps1 that a fragment may call."""
    found = signatures(_prologue("lib.ps1"))
    return {name: signature for name, signature in found.items() if name not in INTERNAL_FUNCTIONS}


def _prologue(name: str) -> str:
    return files("probes.powershell").joinpath(name).read_text(encoding="ascii")


def _problems(script: str, given: Given) -> Iterator[Problem]:
    if not all(" " <= character <= "~" or character == "\n" for character in script):
        return  # said already; the parser need not see it
    root = parse(script)
    # The two readings must agree before either is believed.
    yield from _disagreements(root, script)
    broken = [node for node in root.walk() if node.broken]
    yield from (problem(node, f"cannot be read as PowerShell: {node.text[:40]!r}") for node in broken)
    if broken:
        return
    code = Script(given, root, names_of(root), own_functions(root), asked_commands(root))
    for node in root.walk():
        yield from _look(node, code)
    for key in sorted(set(given.permissions) - code.used):
        yield Problem(1, f"the permission {key!r} is not used: take it off its table")


# --- the text ---------------------------------------------------------------------------------


def _text_problems(script: str, most_bytes: int) -> Iterator[Problem]:
    if len(script) > most_bytes:
        yield Problem(1, f"{len(script)} characters, more than {most_bytes}")
    for number, line in enumerate(script.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            yield Problem(number, f"{len(line)} characters in one line, more than {LONGEST_LINE}")
        odd = next((c for c in line if not " " <= c <= "~"), None)
        if odd is not None:
            yield Problem(number, f"the character {odd!r}: only printable 7-bit ASCII and line feeds")


def _disagreements(root: Code, script: str) -> Iterator[Problem]:
    def problem(place: int, text: str) -> Problem:
        return Problem(script.count("\n", 0, place) + 1, text)

    try:
        scanned = list(spans(script))
    except CannotScan as error:
        yield problem(error.place, f"cannot be read without doubt: {error}")
        return
    seen = {(n.start, n.end) for n in root.walk() if n.kind in ("comment", *STRINGS)}
    meant = {(one.start, one.end) for one in scanned if one.kind != "code"}
    for start, _ in sorted(seen ^ meant):
        yield problem(start, "where this string or comment ends can be read in two ways")
    for one in scanned:
        text = script[one.start : one.end]
        if one.kind == "comment" and text.lower().startswith("#requires"):
            yield problem(one.start, "#requires loads modules")
        if one.kind == "code":
            for found in re.finditer(r"`|[<>]", TO_NOTHING.sub(lambda m: "_" * len(m[0]), text)):
                what = (
                    "a backtick hides what a word is" if found[0] == "`" else f"{found[0]} may write a file"
                )
                yield problem(one.start + found.start(), what)
    for place in unclear_line_ends(root, script):
        yield problem(place, "cannot tell whether the statement goes on after this line")


STRINGS = ("expandable_string_literal", "verbatim_string_characters")


# --- every part -------------------------------------------------------------------------------


def _look(node: Code, code: Script) -> Iterator[Problem]:
    for kind in (node.kind, *node.wraps):
        refused = (REFUSED_KINDS if node.named else REFUSED_SIGNS).get(kind)
        if refused is not None and not (kind == "&" and _is_operator(node)):
            yield problem(node, refused)
        elif node.named and kind not in PLAIN:
            yield problem(node, f"{kind!r} is not on the list of what a fragment may use (PLAIN)")
    match node.kind:
        case "command":
            yield from command_problems(node, code)
        case "argument_list" if node.parent and node.parent.kind == "command_elements":
            if not makes_an_object(node):
                yield problem(node, "put a call of a method in brackets when it is a command's argument")
        case "member_access" | "invokation_expression":
            yield from member_problems(node, code)
        case "variable":
            yield from variable_problems(node, code)
        case "type_literal" | "attribute":
            yield from type_problems(node, code)
        case "assignment_expression":
            yield from assignable_problems(node.children[0], code)
        case (
            "pre_increment_expression"
            | "pre_decrement_expression"
            | "post_increment_expression"
            | "post_decrement_expression"
        ):
            yield from assignable_problems(next(one for one in node.children if one.named), code)
        case "foreach_statement" | "script_parameter":
            if (variable := node.child("variable")) is not None:
                yield from assignable_problems(variable, code)
        case "generic_token" | "command_name" | "function_name":
            yield from _word(node, code)
        case "redirection":
            if not TO_NOTHING.fullmatch(node.text.strip()):
                yield problem(node, f"{node.text.strip()!r} would write to a file")
        case "verbatim_string_characters" | "expandable_string_literal":
            yield from _string(node, code)
        case "comparison_expression":
            yield from _comparison(node)
        case "function_statement":
            yield from definition_problems(node, code)
        case "hash_literal_expression":
            keys = [
                _key(entry) for entry in node.walk() if entry.kind == "hash_entry" and _holder(entry) is node
            ]
            for key in {key for key in keys if keys.count(key) > 1}:
                yield problem(node, f"the key {key} stands twice in one hashtable")
        case "if_statement" | "elseif_clause" if node.child("assignment_expression"):
            yield problem(node, "an assignment as a condition: -eq compares")
        case "try_statement":
            if not node.child("catch_clauses", "catch_clause", "finally_clause"):
                yield problem(node, "try needs a catch or a finally")
        case "flow_control_statement":
            yield from _flow(node, code)
        case _:
            pass


def _is_operator(node: Code) -> bool:
    return node.parent is not None and node.parent.kind == "command_invokation_operator"


def _holder(entry: Code) -> Code | None:
    return next((one for one in entry.above() if one.kind == "hash_literal_expression"), None)


def _key(entry: Code) -> str:
    return entry.children[0].text.strip().strip("'\"").lower()


def _word(node: Code, code: Script) -> Iterator[Problem]:
    if not WORD.fullmatch(node.text) and not TO_NOTHING.fullmatch(node.text):
        yield problem(node, f"write {node.text[:40]!r} in quotes")
    yield from _text(node, node.text, code)


def _string(node: Code, code: Script) -> Iterator[Problem]:
    yield from _text(node, node.text[1:-1], code)
    if node.kind == "expandable_string_literal":
        if found := ESCAPES.search(node.text.replace("``", "")):
            yield problem(node, f"the escape {found[0]!r} is newer than PowerShell 2.0, or no escape")
        for one in node.children:
            if one.kind == "variable" and node.text[one.end - node.start] in ":?":
                yield problem(node, f"{one.text} would swallow what follows it: write $({one.text})")
        if '"' in node.text[1:-1].replace('`"', "").replace('""', ""):
            yield problem(node, "quotes inside $( ) in a string: set a variable first")


def _text(node: Code, text: str, code: Script) -> Iterator[Problem]:
    if SHARES.search(text) and not _is_pattern(node):
        yield problem(node, f"{text[:40]!r} leads to another machine or past the file system")
    if found := SECRETS.search(text):
        yield problem(node, f"{found[0]} is a place of secrets")
    for name in classes_in(text):
        if refused := class_problem(name):
            yield problem(node, refused)


def _is_pattern(node: Code) -> bool:
    """The regular expression of -match, -replace or -split: no path, whatever it looks like."""
    parent = node.parent
    if parent is not None and parent.kind == "array_literal_expression" and parent.children[0] is node:
        node, parent = parent, parent.parent
    operator = parent.child("comparison_operator") if parent is not None else None
    is_right = parent is not None and parent.children[-1] is node
    return operator is not None and is_right and PATTERNS.fullmatch(operator.text) is not None


def _comparison(node: Code) -> Iterator[Problem]:
    operator = node.child("comparison_operator")
    if operator is None:
        return
    if operator.text.lower() in NEWER_OPERATORS:
        yield problem(node, f"PowerShell 2.0 lacks {operator.text}")
    left, right = node.children[0], node.children[-1]
    if left.kind not in ("member_access", "element_access"):
        return
    name = next((one.text for one in reversed(left.children) if one.named), "").strip("'")
    english = [one for one in right.walk() if one.kind in STRINGS and re.search("[A-Za-z]{3}", one.text)]
    if name.lower() in LOCALISED and english:
        yield problem(
            node, f"{name} is text in the language of the machine: compare a number or an identifier"
        )


def _flow(node: Code, code: Script) -> Iterator[Problem]:
    word = node.children[0].text.lower()
    if word == "exit" and not code.permits("statement", "exit"):
        yield problem(node, "exit ends the whole batch: use return, Absent, Unsupported or Denied")
    if word in ("break", "continue"):
        loops = ("foreach_statement", "for_statement", "while_statement", "do_statement", "switch_statement")
        inside = next((one.kind for one in node.above() if one.kind in (*loops, *BLOCKS)), "")
        if inside not in loops:
            yield problem(node, f"{word} outside of a loop's own block ends the whole batch")
