"""Reads an awk program far enough to see that it runs nothing and writes no file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<number>\d[\w.]*|\.\d+)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<space>[ \t]+|\\\n)
      | (?P<end>[;\n}])
      | (?P<sign>&&|\|\||\|&|>>|[<>!=~+*%^/-]=?|.)""",
    re.VERBOSE | re.DOTALL,
)
REGEX = re.compile(r"/(?:[^/\\\n\[]|\\.|\[\^?\]?(?:[^\]\\\n]|\\.)*\])*/")
VALUES = ("name", "number", "string")
BEFORE_A_REGEX = frozenset({"return", "print", "printf", "in", "case", "else", "do", "exit"})

# What starts a program, writes, reads outside the arguments, or calls by a computed name.
REFUSED_NAMES = frozenset({"system", "getline", "close", "fflush", "extension", "load", "include"})


class Token(NamedTuple):
    kind: str
    text: str


def awk_problems(program: str) -> list[str]:
    """What this awk program may not do, one sentence each; empty when it only reads and prints."""
    try:
        return list(dict.fromkeys(_problems(list(_tokens(program)))))
    except ValueError as problem:
        return [str(problem)]


def _tokens(program: str) -> Iterator[Token]:
    place, before = 0, Token("end", ";")
    while place < len(program):
        if program[place] == "/" and _regex_may_follow(before):
            match = REGEX.match(program, place)
            if match is None:
                raise ValueError("awk: a regular expression has no end")
            token = Token("string", match.group())
        else:
            match = TOKEN.match(program, place)
            assert match is not None  # the last branch takes any character
            token = Token(str(match.lastgroup), match.group())
            if token.text == "/" and before.text == ")":
                raise ValueError(
                    "awk: `) /` may be a division or a regular expression; write it unmistakably"
                )
            if token.text == '"':
                raise ValueError("awk: a string has no end")
        place = match.end()
        if token.kind not in ("space", "comment"):
            before = token
            yield token


def _regex_may_follow(before: Token) -> bool:
    if before.kind in VALUES:
        return before.text in BEFORE_A_REGEX
    return before.text not in (")", "]", "$", "++", "--")


def _problems(tokens: list[Token]) -> Iterator[str]:
    printing, depth = False, 0
    for token in tokens:
        if token.kind == "name" and token.text in REFUSED_NAMES:
            yield f"awk: {token.text} is not allowed"
        elif token.text in ("|", "|&"):
            yield "awk: a pipe would start a program"
        elif token.text == "@":
            yield "awk: @ (indirect call, include) is not allowed"
        elif token.kind == "name" and token.text in ("print", "printf"):
            printing, depth = True, 0
        elif token.kind == "end":
            # A `}` or a line's end closes a print statement only outside of its brackets.
            printing = printing and depth > 0
        elif token.text in ("(", "["):
            depth += 1
        elif token.text in (")", "]"):
            depth -= 1
        elif token.text in (">", ">>", ">=") and printing and depth <= 0:
            yield "awk: print may not write to a file; put a comparison in brackets"
