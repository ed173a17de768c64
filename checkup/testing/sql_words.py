"""The words of a statement, read without a parser: the first of the two proofs that it only reads.

A parser forgives, and a server may read a text otherwise than the parser does. So every word that stands
alone must be on a list: a keyword of reading, a type, a part of a date, or a name that the statement itself
brought in with AS. A verb that acts is on none of them, wherever it stands. What sqlglot makes of the
statement is judged in sql_lint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from checkup.sql.engine import EngineName
from checkup.testing.sql_names import (
    COMMON_WORDS,
    ENGINE_WORDS,
    FUNCTIONS,
    RELATIONS,
    VARIABLES,
    VERBS,
    names,
)

Kind = Literal["word", "quoted", "text", "number", "variable", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is in lower case but for a text, which is without its quotes."""

    kind: Kind
    text: str


_COMMON: Final = r"""
    (?P<space>\s+)
  | (?P<text>(?P<prefix>[A-Za-z_&]\w*)?'(?P<inside>(?:[^']|'')*)')
  | (?P<number>(?:0x[0-9A-Fa-f]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.]))
  | (?P<word>[A-Za-z_]\w*)
  | (?P<variable>@@\w+(?:\.\w+)?)
"""
_QUOTED: Final[dict[EngineName, str]] = {
    "sqlserver": r"\[(?P<quoted>\w[\w ]*)\]",
    "postgresql": r'"(?P<quoted>\w[\w ]*)"',
    "mariadb": r"`(?P<quoted>\w[\w ]*)`",
}
_SIGNS: Final[dict[EngineName, str]] = {
    "sqlserver": r"<>|!=|<=|>=|[-(),.=<>+*/%&|]",
    "postgresql": r"<>|!=|<=|>=|\|\||->>|::|!~\*?|~\*?|&&|[-(),.=<>+*/%\[\]]",
    "mariadb": r"<>|!=|<=|>=|&&|[-(),.=<>+*/%&]",
}
_TOKEN: Final = {
    engine: re.compile(rf"{_COMMON} | {_QUOTED[engine]} | (?P<sign>{_SIGNS[engine]})", re.VERBOSE | re.ASCII)
    for engine in _QUOTED
}

# What the word before an opening bracket may be without being called.
_NOT_CALLED: Final = names(
    """all and any apply as between by case distinct else except exists filter from group having in intersect
    is join lateral like maxdop not on or order over partition select then top union using values when where
    with within"""
)

# A constant that would be filled in: everything a statement needs to know is in its text.
_PARAMETER: Final = re.compile(r"\?|%s|%\(\w+\)s|[:@$]\w+|.*\{\w*\}.*", re.DOTALL)


class Unreadable(ValueError):
    """A sign that no statement of ours needs."""


def tokens(engine: EngineName, text: str) -> list[Token]:
    """Raises Unreadable at the first sign that is none of this engine's reading statements.

    Refused by that: comments, a semicolon, braces, dollars, question marks, single colons and at-signs.
    """
    if found := re.search(r"--|/\*|\*/", _without_texts(text)):
        raise Unreadable(
            f"{found[0]} outside of a text: comments belong into the file, not into the statement"
        )
    made: list[Token] = []
    place = 0
    while place < len(text):
        found = _TOKEN[engine].match(text, place)
        if found is None:
            raise Unreadable(f"{text[place : place + 20]!r} cannot be read")
        place = found.end()
        if found["space"] is None:
            made.append(_token(engine, found))
    return made


def _without_texts(text: str) -> str:
    return re.sub(r"'(?:[^']|'')*'", "''", text)


def _token(engine: EngineName, found: re.Match[str]) -> Token:
    if found["text"] is not None:
        prefix = (found["prefix"] or "").lower()
        if prefix not in ("", "n") or (prefix == "n" and engine != "sqlserver"):
            raise Unreadable(f"a text that begins with {found['prefix']} is read by rules of its own")
        inside = found["inside"]
        if "\n" in inside:
            raise Unreadable("a text goes over the end of a line")
        if "\\" in inside and (engine == "mariadb" or (engine == "postgresql" and inside.endswith("\\"))):
            raise Unreadable(f"what a backslash means in {inside!r} depends on the server's settings")
        return Token("text", inside.replace("''", "'"))
    for kind in ("number", "word", "variable", "quoted", "sign"):
        if found[kind] is not None:
            return Token(kind, found[kind].lower())
    raise AssertionError(found[0])


def problems(engine: EngineName, text: str) -> list[str]:
    """What in the words of this statement is not plain reading; empty where nothing is."""
    try:
        given = tokens(engine, text)
    except Unreadable as problem:
        return [str(problem)]
    return list(dict.fromkeys(_problems(engine, given)))


def _problems(engine: EngineName, given: Sequence[Token]) -> Iterator[str]:
    if not given or given[0] not in (Token("word", "select"), Token("word", "with")):
        yield "a statement begins with SELECT, or WITH and SELECT"
        return
    known = COMMON_WORDS | ENGINE_WORDS[engine]
    own = frozenset(_introduced(given))
    for name in sorted(own & VERBS):
        yield f"{name.upper()} is no good name: it is a verb that acts"
    for place, token in enumerate(given):
        before, after = _at(given, place - 1), _at(given, place + 1)
        if token.kind == "text" and _PARAMETER.fullmatch(token.text):
            yield f"the text {token.text!r} looks like a parameter: statements have constants only"
        elif token.kind == "variable" and token.text not in VARIABLES[engine]:
            yield f"{token.text} is not on the list VARIABLES of sql_names"
        elif token.kind == "sign" and token.text == ",":
            if after.text in (",", ")", "from", "") and after.kind != "text":
                yield "a comma with nothing after it"
        elif token.kind in ("word", "quoted"):
            yield from _word_problems(engine, token, before, after, known, own)


def _word_problems(
    engine: EngineName, token: Token, before: Token, after: Token, known: frozenset[str], own: frozenset[str]
) -> Iterator[str]:
    name = token.text
    as_name = before == Token("word", "as")
    if after == Token("sign", "(") and not as_name and name not in _NOT_CALLED:
        if before == Token("sign", "."):
            # A function of a schema is judged as an object; what is left are methods of XML columns.
            return
        # A name of the statement's own is nothing that can be called.
        if name not in FUNCTIONS[engine] and name not in known:
            yield f"{name.upper()}() is not on the list FUNCTIONS of sql_names"
        return
    part_of_a_name = Token("sign", ".") in (before, after)
    if part_of_a_name or as_name or token.kind == "quoted" or before == Token("word", "collate"):
        return
    if name in known or name in own:
        return
    if engine == "postgresql" and name in RELATIONS[engine]:
        return
    if name in VERBS:
        yield f"{name.upper()} is a verb that acts"
    else:
        yield (
            f"{name} stands alone and is on no list: write columns as alias.column, name tables and results "
            "with AS (or see sql_names)"
        )


def called(engine: EngineName, text: str) -> Iterator[str]:
    """The names before an opening bracket that are not part of a longer name. Raises Unreadable."""
    given = tokens(engine, text)
    for place, token in enumerate(given):
        before, after = _at(given, place - 1), _at(given, place + 1)
        if token.kind == "word" and after == Token("sign", "(") and before != Token("sign", "."):
            yield token.text


def _introduced(given: Sequence[Token]) -> Iterator[str]:
    """Names that the statement itself gives: after AS, before AS with a bracket, in the list of an alias."""
    for place, token in enumerate(given):
        if token != Token("word", "as"):
            continue
        name, after = _at(given, place + 1), _at(given, place + 2)
        if name == Token("sign", "("):
            yield _at(given, place - 1).text
        elif name.kind in ("word", "quoted"):
            yield name.text
            if after == Token("sign", "("):
                yield from _listed(given, place + 3)


def _listed(given: Sequence[Token], place: int) -> Iterator[str]:
    while _at(given, place).kind in ("word", "quoted") or _at(given, place) == Token("sign", ","):
        if _at(given, place).text != ",":
            yield _at(given, place).text
        place += 1


def _at(given: Sequence[Token], place: int) -> Token:
    return given[place] if 0 <= place < len(given) else Token("sign", "")
