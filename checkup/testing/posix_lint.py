"""Reads a POSIX shell fragment and says what in it might change a client's machine.

Everything is an allow-list: programs and their options (posix_programs), the kinds of node that the
grammar may yield, names that may be assigned. What is not known is refused, so a new way to do harm is
refused too. tree-sitter-bash is a test dependency and is imported only here, in use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from checkup.testing.posix_programs import PROGRAMS, Word, words

if TYPE_CHECKING:
    from tree_sitter import Node

PLAIN = words(
    """program list pipeline command command_name redirected_statement file_redirect file_descriptor word
    string string_content raw_string concatenation simple_expansion expansion command_substitution
    variable_name special_variable_name arithmetic_expansion binary_expression unary_expression
    parenthesized_expression ternary_expression postfix_expression number variable_assignment
    variable_assignments test_command test_operator if_statement elif_clause else_clause for_statement
    while_statement do_group case_statement case_item extglob_pattern regex negated_command
    compound_statement subshell function_definition comment"""
)
# Signs and key words of the grammar, allowed where they stand by themselves.
SIGNS = {"\n"} | words(
    """if then elif else fi for in do done while until case esac [ ] ( ) { } $( ` $(( )) ${ $ ; ;; | || && ! <
    > >& <& >> " = == != + - * / % <= >= ? : # ## %% :- :+ :? -a -o , ~ ^"""
)
Functions = Mapping[str, "Node"]

ASSIGNABLE = re.compile(r"[a-z_][a-z0-9_]*|IFS|LC_ALL|TZ")
DEVICE = re.compile(r"/dev/(?!null$)")
# Programs that look at the name of a device, or are there to read its health.
NAMES_ONLY = words("smartctl lsblk readlink stat ls test [")
SECRETS = re.compile(
    r"/etc/g?shadow|/\.ssh/|/environ$|/cmdline$|id_(rsa|dsa|ecdsa|ed25519)|/etc/ssl/private|krb5\.keytab"
)


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


def problems(script: str) -> list[Problem]:
    """What this fragment may not do, in the order of its lines; empty when it only reads."""
    root = _parse(script)
    functions = {_name(node): node for node in root.children if node.type == "function_definition"}
    found = [*_unclear_lines(script), *_own_words(functions), *_visit(root, functions)]
    return sorted(dict.fromkeys(found), key=lambda problem: problem.line)


def _parse(script: str) -> Node:
    import tree_sitter
    import tree_sitter_bash

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
    return parser.parse(script.encode()).root_node


def _unclear_lines(script: str) -> Iterator[Problem]:
    """Where the grammar and the shells do not agree on what a line is."""
    for found in re.finditer(r"[^ \t\\]\\\n|[^\n\t -~]", script):
        line = script.count("\n", 0, found.start()) + 1
        what = "an odd character" if len(found.group()) == 1 else "a backslash at the end of a word"
        yield Problem(line, f"{what} hides where this line ends")


def _name(node: Node) -> str:
    return _text(node.child_by_field_name("name"))


def _own_words(functions: Functions) -> Iterator[Problem]:
    for name, node in functions.items():
        if name in PROGRAMS or not ASSIGNABLE.fullmatch(name):
            yield _problem(node, f"function {name} needs a name of its own, in lower case")


def _visit(node: Node, functions: Functions) -> Iterator[Problem]:
    if node.is_error or node.is_missing:
        yield _problem(node, f"cannot be read as shell: {_text(node)[:40]!r}")
        return
    if node.type not in (PLAIN if node.is_named else SIGNS):
        yield _problem(node, f"{node.type!r} is not on the list of what a fragment may use")
    match node.type:
        case "command":
            yield from _command(node, functions)
        case "file_redirect":
            yield from _redirect(node)
        case "variable_assignment":
            yield from _assignment(node)
        case "for_statement":
            yield from _assignable(node, _text(node.child_by_field_name("variable")))
        case (
            "program" | "do_group" | "compound_statement" | "subshell" | "if_statement" | "case_item" | "list"
        ):
            if any(child.type == "&" for child in node.children):
                yield _problem(node, "& would leave a program running in the background")
        case "test_command" if node.children[0].type != "[":
            yield _problem(node, f"{node.children[0].type} is not POSIX shell")
        case "expansion" if any(child.type in ("!", "@", "=", ":=") for child in node.children):
            yield _problem(node, "an expansion may not assign, or name a variable through another")
        case "function_definition" if node.parent is not None and node.parent.type != "program":
            yield _problem(node, "a function must be defined at the top level")
        case "regex" | "extglob_pattern" | "word" | "string_content" if re.search(r"\$\(|`", _text(node)):
            yield _problem(
                node, "a command inside a pattern cannot be read; put its output in a variable first"
            )
        case "word" if "\\" in _text(node):
            yield _problem(node, "a backslash outside of quotes hides what the word is; quote it")
        case "word" | "raw_string" | "string_content" if match_ := SECRETS.search(_text(node).strip("'")):
            yield _problem(node, f"{match_.group()} is a place of secrets")
        case _:
            pass
    for child in node.children:
        yield from _visit(child, functions)


def _command(node: Node, functions: Functions) -> Iterator[Problem]:
    # The grammar glues a line to the one before it where the shell does not.
    for before, after in pairwise(node.children):
        gap = (node.text or b"")[before.end_byte - node.start_byte : after.start_byte - node.start_byte]
        if b"\n" in gap.replace(b"\\\n", b""):
            yield _problem(after, "cannot tell where the command before this line ends")
    name_node = node.child_by_field_name("name")
    if name_node is None:
        return
    inner = name_node.children[0] if name_node.children else name_node
    name = _text(name_node)
    if inner.type not in ("word", "test_command") or "\\" in name:
        yield _problem(node, f"the name of a command must be a plain word, not {name[:40]}")
        return
    # Only after its definition is a function sure to run, and not a program of the same name.
    if name in functions and functions[name].end_byte <= node.start_byte and name not in PROGRAMS:
        return
    rule = PROGRAMS.get(name)
    if rule is None:
        yield _problem(node, f"{name} is not on the list of programs that only read")
        return
    arguments = [_word(child) for child in node.children_by_field_name("argument")]
    for word in arguments:
        if DEVICE.match(word.start) and name not in NAMES_ONLY:
            yield _problem(node, f"{name}: {word.start} is a device")
    if problem := rule(arguments):
        yield _problem(node, f"{name}: {problem}")
    if name == "read":
        for word in arguments:
            if not word.start.startswith("-"):
                yield from _assignable(node, word.start)


def _word(node: Node) -> Word:
    """What is known of an argument before it runs."""
    known: list[str] = []
    whole, quoted = True, True
    for part in node.children if node.type == "concatenation" else [node]:
        text, complete, safe = _part(part)
        if whole:
            known.append(text)
        whole, quoted = whole and complete, quoted and safe
    return Word("".join(known), whole, quoted)


def _part(node: Node) -> tuple[str, bool, bool]:
    """Known text, whether it is complete, and whether it stays one word."""
    text = _text(node)
    match node.type:
        case "raw_string":
            return text[1:-1], True, True
        case "word" | "number" | "extglob_pattern":
            # A glob beginning with known text yields names beginning with that text.
            wild = re.search(r"[*?\[]", text)
            plain = re.sub(r"\\(.)", r"\1", text)
            return (text[: wild.start()], False, True) if wild else (plain, True, True)
        case "string":
            inner = [child for child in node.children if child.type != '"']
            if not inner:
                return "", True, True
            first = inner[0]
            start = text[1 : first.end_byte - node.start_byte] if first.type == "string_content" else ""
            complete = all(child.type == "string_content" for child in inner)
            return (re.sub(r'\\([\\"$`])', r"\1", text[1:-1]) if complete else start), complete, True
        case _:
            return "", False, False


def _redirect(node: Node) -> Iterator[Problem]:
    sign = next((child.type for child in node.children if not child.is_named), "")
    target = node.child_by_field_name("destination")
    word = _word(target) if target is not None else Word("", False)
    if sign == "<":
        if DEVICE.match(word.start):
            yield _problem(node, f"{word.start} is a device")
        return
    to_nothing = sign in (">", ">>") and word.start == "/dev/null"
    to_descriptor = sign in (">&", "<&") and re.fullmatch(r"[0-9]|-", word.start)
    if not (word.whole and (to_nothing or to_descriptor)):
        yield _problem(node, f"{_text(node)!r} would write to a file")


def _assignment(node: Node) -> Iterator[Problem]:
    yield from _assignable(node, _text(node.child_by_field_name("name")))


def _assignable(node: Node, name: str) -> Iterator[Problem]:
    if not ASSIGNABLE.fullmatch(name):
        yield _problem(node, f"{name} may not be set: names of a fragment are in lower case")


def _text(node: Node | None) -> str:
    return (node.text or b"").decode(errors="replace") if node is not None else ""


def _problem(node: Node, text: str) -> Problem:
    return Problem(node.start_point.row + 1, text)
