"""PowerShell text as a tree, and a second, simpler reading that must agree with it.

tree-sitter-powershell is a test dependency and is imported only here, in use. Its grammar is a little
more generous than PowerShell, so strings and comments are found a second time by a scanner of our own,
and line ends are looked at: where the two could read a script differently, the script is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from checkup.testing.powershell_allowed import names

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(slots=True, eq=False)
class Code:
    """A part of a script. Parts that only wrap another of the same text are left out."""

    kind: str
    text: str
    start: int
    end: int
    line: int
    named: bool
    broken: bool
    parent: Code | None
    wraps: tuple[str, ...] = ()  # kinds of the wrappers left out
    children: list[Code] = field(default_factory=list["Code"])

    def child(self, *kinds: str) -> Code | None:
        return next((one for one in self.children if one.kind in kinds), None)

    def above(self) -> Iterator[Code]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def walk(self) -> Iterator[Code]:
        """This part and all below it, in the order of the text."""
        waiting: list[Code] = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))


# Kinds that say something by themselves, even where their text is that of their only child.
KEPT = frozenset(
    {"program", "command", "command_name", "command_elements", "statement_list", "statement_block"}
    | {"script_block", "variable", "redirection", "redirected_file_name", "flow_control_statement"}
    | {"argument_list", "function_name", "switch_clause", "hash_entry", "type_literal", "script_parameter"}
)


@lru_cache(maxsize=64)
def parse(script: str) -> Code:
    """The tree of a script of 7-bit ASCII."""
    import tree_sitter
    import tree_sitter_powershell

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    text = script if script.endswith("\n") else script + "\n"  # a last line may lack its end
    root, wraps = _inner(parser.parse(text.encode("ascii")).root_node)
    program = _code(root, wraps, text, None)
    waiting = [(program, root)]
    while waiting:
        code, node = waiting.pop()
        for below in node.children:
            if below.type == "command_argument_sep":
                continue
            inner, left_out = _inner(below)
            made = _code(inner, left_out, text, code)
            code.children.append(made)
            waiting.append((made, inner))
    for elements in [one for one in program.walk() if one.kind == "command_elements"]:
        _join_calls(elements)
    return program


def _join_calls(elements: Code) -> None:
    """`Name $x.ToString()`: the grammar ends the argument before the bracket, PowerShell does not."""
    joined: list[Code] = []
    for one in elements.children:
        before = joined[-1] if joined else None
        if (
            one.kind == "argument_list"
            and before
            and before.end == one.start
            and before.kind == "member_access"
        ):
            before.kind = "invokation_expression"
            before.text, before.end = before.text + one.text, one.end
            before.children.append(one)
            one.parent = before
        else:
            joined.append(one)
    elements.children = joined


def _inner(node: Node) -> tuple[Node, tuple[str, ...]]:
    left_out: list[str] = []
    while node.type not in KEPT and node.child_count == 1 and not node.is_error:
        only = node.children[0]
        if not only.is_named or (only.start_byte, only.end_byte) != (node.start_byte, node.end_byte):
            break
        left_out.append(node.type)
        node = only
    return node, tuple(left_out)


def _code(node: Node, wraps: tuple[str, ...], text: str, parent: Code | None) -> Code:
    return Code(
        kind=node.type,
        text=text[node.start_byte : node.end_byte],
        start=node.start_byte,
        end=node.end_byte,
        line=node.start_point.row + 1,
        named=node.is_named,
        broken=node.is_error or node.is_missing,
        parent=parent,
        wraps=wraps,
    )


# --- the second reading -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """A string, a comment or a run of plain code, as the scanner sees it."""

    kind: str  # "string", "comment", "code"
    start: int
    end: int


class CannotScan(ValueError):
    """The scanner does not know what this text is; `place` is where."""

    def __init__(self, text: str, place: int) -> None:
        super().__init__(text)
        self.place = place


def spans(script: str) -> Iterator[Span]:
    """All of the script in pieces. Raises CannotScan on what could be read in two ways.

    Quotes may only stand where a new word begins or ends, `#` only after white space; so no reader can
    take a part of a word for a string, or a part of a string for code. A string ends on its line.
    """
    place, code_from = 0, 0
    while place < len(script):
        character = script[place]
        if character not in "\"'#":
            place += 1
            continue
        before = script[place - 1] if place else "\n"
        if character == "#":
            if before not in " \n":
                raise CannotScan("# in the middle of a word: put a blank before a comment", place)
            end = script.find("\n", place)
            end = len(script) if end < 0 else end
            kind = "comment"
        else:
            if before not in " \n([{,=;.!|]":
                raise CannotScan("a string in the middle of a word", place)
            end = _string_end(script, place)
            if script[end : end + 1] not in (*" \n)]},;.=|", ""):
                raise CannotScan("a word goes on after its string", end)
            kind = "string"
        if place > code_from:
            yield Span("code", code_from, place)
        yield Span(kind, place, end)
        place = code_from = end
    if place > code_from:
        yield Span("code", code_from, place)


SINGLE = re.compile(r"'(?:[^'\n]|'')*'")
DOUBLE = re.compile(r'"(?:[^"`\n]|""|`[^\n])*"')


def _string_end(script: str, place: int) -> int:
    found = (SINGLE if script[place] == "'" else DOUBLE).match(script, place)
    if found is None:
        raise CannotScan("a string does not end on its line", place)
    return found.end()


# What a line may end with so that a statement goes on, and the next line begin with.
GOES_ON = re.compile(r"(?:[|,=+*/%({\[]|-|\.\.|(?<![\w$])-[a-z]+)$", re.IGNORECASE)
WORDS = names("command_parameter command_name generic_token variable simple_name")
CLOSES = re.compile(r"[)\]}]")
# Where a line end separates, or does not matter.
LISTS = names(
    """program statement_list statement_block script_block script_block_body script_block_expression
    hash_literal_body hash_literal_expression switch_body switch_clauses if_statement elseif_clauses
    else_clause try_statement catch_clauses function_statement param_block parameter_list
    named_block_list array_expression"""
)


def unclear_line_ends(root: Code, script: str) -> Iterator[int]:
    """Places of line ends that the grammar reads over and PowerShell may not."""
    leaves = [node for node in root.walk() if not node.children and node.end > node.start]
    leaves = [leaf for leaf in leaves if leaf.text.strip() and leaf.kind != "comment"]
    for before, after in pairwise(leaves):
        if after.line == before.line + before.text.rstrip().count("\n"):
            continue
        if "\n" not in script[before.end - 1 : after.start] or CLOSES.match(after.text):
            continue
        goes_on = before.kind not in WORDS and GOES_ON.search(before.text.rstrip())
        if goes_on or _common(before, after).kind in LISTS:
            continue
        yield before.end


def _common(one: Code, other: Code) -> Code:
    for node in one.above():
        if node.start <= other.start and other.end <= node.end:
            return node
    return one
