"""What Windows machines of named versions said, taken from the samples of the probes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).resolve().parents[1] / "probes"


@cache
def recorded(windows: str) -> dict[str, Any]:
    """Section -> raw data of that Windows: the version's own where a sample has it, else that of another.

    Of several the one from a sample that passes is taken, so that a machine made of them is well.
    """
    best: dict[str, tuple[tuple[bool, ...], Any]] = {}
    for data, name, section in _sections():
        if section.get("quality", "ok") != "ok" or section.get("source") != "windows":
            continue
        outcomes = {one["outcome"] for one in data["expect"]}
        rank = ("not checked" not in outcomes, data.get("windows") == windows, "finding" not in outcomes)
        if name not in best or rank > best[name][0]:
            best[name] = (rank, section["raw"])
    return {name: raw for name, (_, raw) in sorted(best.items())}


def _sections() -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    for path in sorted(SAMPLES.glob("*/*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        for one in (data.get("targets") or {"": data}).values():
            for name, section in one.get("sections", {}).items():
                yield data, name, section
