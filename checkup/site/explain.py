"""What pydantic refused, in words for the person who wrote the file.

Pydantic's own words are used only where they cannot repeat a value of the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from checkup.api import JSON
from checkup.site.expand import Expanded
from checkup.site.models import NAME_PATTERN, PATTERNS, Site
from checkup.site.problems import KeyPath, Problem, SourceMap, is_close, nearest
from checkup.transports import CONNECTS

_LIST = "must be a list", "like [one, two], or a line each with a hyphen before it"
_MAPPING = "must be a mapping", "a line each with `key: value`"
_WORDS: Mapping[str, tuple[str, str]] = {
    "missing": ("is missing", "add it"),
    "string_type": ("must be text", "put it in quotes"),
    "int_type": ("must be a whole number", ""),
    "int_from_float": ("must be a whole number", ""),
    "float_type": ("must be a number", ""),
    "bool_type": ("must be true or false", "without quotes"),
    "tuple_type": _LIST,
    "list_type": _LIST,
    "mapping_type": _MAPPING,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "union_tag_not_found": ("says no transport", f"add `transport:`, one of {', '.join(CONNECTS)}"),
    "string_too_short": ("must not be empty", ""),
    "too_short": ("must not be empty", ""),
}
_MISSING = {
    "until": "a waiver always ends: add `until: ` and a date like 2027-01-31",
    "installed": "the first day of production use, like 2026-04-20",
    "version": "add `version: 1`",
}
_KEY = re.compile(r"[A-Za-z_-]+")
_NUMBER = re.compile(r"[-+]?[0-9.]+")


def explain(error: ValidationError, expanded: Expanded, source: SourceMap) -> list[Problem]:
    """The problems behind a validation error. One that a default causes under many hosts is told once."""
    problems = (_problem(details, expanded, source) for details in error.errors(include_url=False))
    return list(dict.fromkeys(problems))


def _problem(details: ErrorDetails, expanded: Expanded, source: SourceMap) -> Problem:
    location, kind = details["loc"], details["type"]
    keypath = expanded.origin(_in_document(location, expanded.data))
    if kind == "missing":
        keypath = (*keypath, location[-1])
    elif kind == "union_tag_invalid":
        keypath = (*keypath, "transport")
    message, hint = _words(details)
    if kind == "extra_forbidden":
        # `password hunter2` is what a forgotten colon makes of a secret: it is close to a key, and none.
        misspelt = _KEY.fullmatch(str(keypath[-1])) and is_close(keypath[-1], _keys(location[:-1]))
        shown = keypath if misspelt else keypath[:-1]
        return Problem(source.key_at(keypath), shown, message, hint)
    if location[-1:] == ("[key]",):
        return Problem(source.key_at(keypath), keypath[:-1], f"this key {message}", hint)
    return Problem(source.at(keypath), keypath, message, hint)


def _words(details: ErrorDetails) -> tuple[str, str]:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    match kind:
        case "site_file":
            return context["message"], context["hint"]
        case "extra_forbidden":
            return "unknown key", _unknown_key_hint(details["loc"])
        case "missing":
            message, hint = _WORDS[kind]
            return message, _MISSING.get(str(details["loc"][-1]), hint)
        case "literal_error" | "enum":
            valid = re.findall(r"'([^']*)'", str(context["expected"]))
            close = nearest(value, valid) if is_close(value, valid) else ""
            return f"must be {' or '.join(valid) or context['expected']}", close
        case "union_tag_invalid":
            return "there is no such transport", nearest(context["tag"], CONNECTS)
        case "string_pattern_mismatch" if context["pattern"] in PATTERNS:
            return PATTERNS[context["pattern"]], ""
        case "string_too_long":
            return f"must be at most {context['max_length']} characters", ""
        case "greater_than_equal" | "less_than_equal":
            limit = context.get("ge", context.get("le"))
            return f"must be at {'least' if 'ge' in context else 'most'} {limit}", ""
        case "string_pattern_mismatch":
            return "has not the right form", ""
        case _ if kind in _WORDS:
            return _WORDS[kind][0], _type_hint(kind, value)
        case _:
            return _foreign(details["msg"], value), ""


def _type_hint(kind: str, value: object) -> str:
    if value is None:
        return "nothing stands here; add a value, or remove the key"
    if isinstance(value, str) and kind in ("int_type", "float_type"):
        return "without quotes" if _NUMBER.fullmatch(value) else ""
    if isinstance(value, (dict, list)) and kind in ("string_type", "bool_type"):
        return ""
    return _WORDS[kind][1]


def _foreign(message: str, value: Any) -> str:
    """The words of a transport's own check, unless they repeat more of the file than fixed words."""
    message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    own = (text for text in _texts(value) if len(text) > 2 and text not in _fixed_words())
    if any(text in message for text in own):
        return "is not accepted here"
    return message[:1].lower() + message[1:]


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif value is not None:
        yield str(value)


@cache
def _fixed_words() -> frozenset[str]:
    """Every key and every choice of the site file."""
    return frozenset(re.findall(r'"([a-z0-9_-]+)"', json.dumps(_schema())))


# --- places -----------------------------------------------------------------------------------

_NOWHERE: Any = object()


def _in_document(location: Iterable[int | str], data: JSON) -> KeyPath:
    """The location without the parts that name a model or a tag and not a place in the file."""
    path: list[int | str] = []
    here: Any = data
    for part in location:
        inside = _step(here, part)
        if inside is not _NOWHERE:
            path.append(part)
            here = inside
    return tuple(path)


def _step(data: JSON, part: int | str) -> Any:
    if isinstance(data, dict) and isinstance(part, str):
        return data.get(part, _NOWHERE)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return _NOWHERE


def hide_foreign_names(problem: Problem) -> Problem:
    """The problem, its key path cut before a credential's name that is none: it may be a secret."""
    path = problem.keypath
    if len(path) > 1 and path[0] == "credentials" and not re.match(NAME_PATTERN, str(path[1])):
        return Problem(problem.position, path[:1], problem.message, problem.hint)
    return problem


# --- valid keys -------------------------------------------------------------------------------


def _unknown_key_hint(location: tuple[int | str, ...]) -> str:
    *around, key = location
    if "connect" in around and key in ("password", "passphrase", "key", "user"):
        return "accounts are written under `credentials:` and named here as `credential:`"
    return nearest(key, _keys(around))


def _keys(location: Iterable[int | str]) -> list[str]:
    """The keys that a mapping of the site file may have."""
    node = _schema()
    for part in location:
        if part in CONNECTS and "oneOf" in node:
            return list(CONNECTS[str(part)].model_fields)
        node = _inside(node, part)
    return list(_resolved(node).get("properties", {}))


@cache
def _schema() -> Mapping[str, Any]:
    return Site.model_json_schema()


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference, or behind "this or null"."""
    if "anyOf" in node:
        node = next((option for option in node["anyOf"] if option.get("type") != "null"), node)
    if "$ref" in node:
        return _schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _inside(node: Mapping[str, Any], part: int | str) -> Mapping[str, Any]:
    node = _resolved(node)
    if part in node.get("properties", {}):
        return node["properties"][part]
    if isinstance(part, int) and "items" in node:
        return node["items"]
    # The values of a mapping whose keys have a pattern stand under that pattern.
    values: Any = node.get("additionalProperties") or _first(node.get("patternProperties", {}).values())
    return values or node


def _first(values: Iterable[Any]) -> Any:
    return next(iter(values), None)
