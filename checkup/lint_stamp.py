"""Which collectors passed the read-only lint: a digest by section, kept in the package of the probes.

The parser that the lint needs is a test dependency, so the installed product compares digests. A section
whose digest is not in its package's `lint-stamp.json` is named as unlinted in plan and report.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any, cast

from checkup.api import AccessFile, Collector, PowerShell, Psutil, Sampled, Section, Shell, Sql, Wmi, WmiQuery

STAMP_FILE = "lint-stamp.json"


def collector_digest(section: Section[Any]) -> str:
    """SHA-256 (hex) over everything that the section would run, by source.

    "" where the text of a local function cannot be read: it then matches no stamp.
    """
    parts: dict[str, str] = {}
    for source, collector in section.collect.items():
        text = _text(collector)
        if text is None:
            return ""
        parts[source] = text
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _text(collector: Collector) -> str | None:
    match collector:
        case Shell() | PowerShell():
            return collector.script
        case Wmi():
            return "\n".join(_query_text(query) for query in collector.queries)
        case AccessFile():
            return f"{collector.depth}: {', '.join(collector.parts)}"
        case Sql():
            keep = f"{collector.keep.column} ~ {collector.keep.pattern}" if collector.keep else ""
            texts = [variant.text for variant in collector.variants]
            return "\n;\n".join([*texts, collector.canary, *([keep] if keep else [])])
        case Sampled(of):
            return f"samples of {of}"
        case Psutil():
            try:
                return inspect.getsource(collector.read)
            except (OSError, TypeError):
                return None
        case _:
            return ""


def _query_text(query: WmiQuery) -> str:
    return f"{query.namespace}: {query.wql}{' (optional)' if query.optional else ''}"


def read_stamp(text: str) -> Mapping[str, str]:
    """Digest by section name. Raises ValueError on a file that is not a stamp."""
    data = cast(object, json.loads(text))
    if not isinstance(data, dict):
        raise ValueError("a lint stamp holds one object: section name to digest")
    return {str(k): str(v) for k, v in cast(dict[object, object], data).items()}
