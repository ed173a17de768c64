"""What a machine of the demo answers to a batch, and the file in which it is brought back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from checkup.api import JSON, Quality
from checkup.batch.frames import Frame, encode_stream


def grown(a_month: float, days: int) -> float:
    """What came together in the last `days` of something that grows by `a_month`, a little unevenly."""
    return a_month * days / 30.4 * (1 + 0.05 * math.cos(days))


@dataclass(frozen=True)
class Section:
    """One section's raw data: text of a shell, JSON data of PowerShell."""

    name: str
    raw: JSON
    quality: Quality = Quality.OK
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """`hello` are the pairs of the first frame: who answers."""

    hello: Mapping[str, str]
    sections: Sequence[Section]


def bundle(answer: Answer, versions: Mapping[str, int]) -> bytes:
    """The answer's frames, as a machine of its platform writes them; `versions` are those of the sections."""
    windows = answer.hello["platform"] == "windows"
    frames = [
        _frame(answer.hello["endpoint"], section, versions[section.name]) for section in answer.sections
    ]
    return encode_stream(answer.hello, frames, windows=windows)


def _frame(endpoint: str, section: Section, version: int) -> Frame:
    text = section.raw if isinstance(section.raw, str) else json.dumps(section.raw, separators=(",", ":"))
    return Frame(
        kind="SECTION",
        target=endpoint,
        section=section.name,
        version=version,
        status=section.quality,
        milliseconds=8 + len(text) % 23,
        reason=section.reason,
        payload=text.encode("utf-8"),
    )
