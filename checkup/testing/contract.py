"""What every probe owes its readers, whoever wrote it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from string import Formatter
from typing import Any

from checkup.api import Probe
from checkup.assessment import Outcome
from checkup.testing.samples import SampleError, load, sample_paths

TITLE_LENGTH = 80
TEXT_LENGTH = 400
ID = re.compile(r"[a-z][a-z0-9]*(\.[a-z0-9]+(-[a-z0-9]+)*)+")
PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")

# A title says how things should be ("Volumes have room"), not what the probe does.
NOT_A_STATE = re.compile(
    r"(checks?|checking|detects?|finds?|tests?|verif(y|ies)|looks?|reports?)\b|.*[.?!]$", re.I
)


def problems(probe: Probe[Any], samples: Path) -> list[str]:
    """Where a probe breaks its contract, a sentence each; `samples` is the folder of all probes' samples."""
    return [f"{probe.id}: {text}" for text in _problems(probe, samples)]


def _problems(probe: Probe[Any], samples: Path) -> Iterator[str]:
    if not ID.fullmatch(probe.id):
        yield "the id should be dotted and in lower case, like area.subject"
    yield from _text_problems(probe)
    for message, template in probe.messages.items():
        yield from _template_problems(message, template)
    yield from _level_problems(probe.levels)
    yield from _sample_problems(probe, samples)


def _text_problems(probe: Probe[Any]) -> Iterator[str]:
    for name, limit in (
        ("title", TITLE_LENGTH),
        *((one, TEXT_LENGTH) for one in ("why", "remedy", "verify")),
    ):
        text = str(getattr(probe, name))
        if not text.strip():
            yield f"{name} is empty"
        elif len(text) > limit:
            yield f"{name} has {len(text)} characters, more than {limit}"
    if NOT_A_STATE.match(probe.title):
        yield "the title should state the good state, without a full stop: 'Volumes have room to grow'"
    if not probe.visits:
        yield "it belongs to no visit"


def _template_problems(message: str, template: str) -> Iterator[str]:
    try:
        parts = list(Formatter().parse(template))
    except ValueError as problem:
        yield f"message {message!r}: {problem}"
        return
    for _, name, specification, conversion in parts:
        if name is not None and (specification or conversion or not PLAIN_NAME.fullmatch(name)):
            yield f"message {message!r} may only hold plain {{names}}, not {{{name}}} with a format"


def _level_problems(levels: Any) -> Iterator[str]:
    if not dataclasses.is_dataclass(levels) or isinstance(levels, type):
        yield "levels should be a value of a frozen dataclass"
        return
    for one in dataclasses.fields(levels):
        if not isinstance(getattr(levels, one.name), int | float | str | bool | tuple):
            yield f"level {one.name} should be a number, a text, a truth value or a tuple"


def _sample_problems(probe: Probe[Any], folder: Path) -> Iterator[str]:
    seen: set[Outcome] = set()
    for path in sample_paths(folder, probe.id):
        try:
            seen |= load(path).outcomes
        except SampleError as problem:
            yield str(problem)
    for outcome in (Outcome.PASSED, Outcome.FINDING, Outcome.NOT_CHECKED):
        if outcome not in seen:
            yield f"no sample in {folder / probe.id} expects {outcome.value!r}"


def samples_without_probe(folder: Path, known: Collection[str]) -> list[str]:
    """Folders of samples that belong to no probe: a renamed probe would leave its tests behind."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and "." in path.name and path.name not in known
    )
