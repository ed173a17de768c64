"""No secret reaches the file: every text goes through the redactor before it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast

from checkup.store.errors import StoreError

T = TypeVar("T")

_WITHOUT_TEXT = frozenset({type(None), bool, int, float, datetime})

# Names given by the site file, the probes or the store itself. They hold no resolved secret, and
# to change one would break what refers to it: a password "host" must not rename "host.volume-space".
IDENTIFIERS = frozenset(
    {
        *("id", "site", "run", "endpoint", "target", "targets", "transport", "sha256", "tool_version"),
        *("probe", "section", "source", "kind", "name", "function"),
    }
)


def redacted(record: T, redact: Callable[[str], str]) -> T:
    """The same record with every text in it, at any depth, redacted; identifiers and enums stay."""
    try:
        return cast(T, _value(record, redact))
    except RecursionError:
        raise StoreError(
            "cannot save what a machine sent: it is nested too deeply; leave that section out and try again"
        ) from None


def _value(value: Any, redact: Callable[[str], str]) -> Any:
    if type(value) is str:  # an enum member is a str too
        return redact(value)
    if type(value) in _WITHOUT_TEXT:
        return value
    if _is_record(value):
        fields = (f.name for f in dataclasses.fields(value) if f.name not in IDENTIFIERS)
        return dataclasses.replace(value, **{name: _value(getattr(value, name), redact) for name in fields})
    if isinstance(value, tuple | list):
        items = cast("list[Any] | tuple[Any, ...]", value)
        return type(items)([_value(item, redact) for item in items])
    if isinstance(value, Mapping):
        return _mapping(cast("Mapping[str, Any]", value), redact)
    if isinstance(value, bytes):  # a script: text, whatever its encoding
        return redact(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    return value


def _is_record(value: Any) -> bool:
    return hasattr(value, "__dataclass_fields__")


def _mapping(values: Mapping[str, Any], redact: Callable[[str], str]) -> dict[str, Any]:
    """Keys are redacted too, but for those that name a record (evidence, probe texts).

    Two keys that become the same both stay, the later one marked by trailing apostrophes.
    """
    kept: dict[str, Any] = {}
    for key, value in values.items():
        name = key if _is_record(value) else redact(key)
        while name in kept:
            name += "'"
        kept[name] = _value(value, redact)
    return kept
