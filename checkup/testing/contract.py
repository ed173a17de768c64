"""What every probe owes its readers, whoever wrote it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from checkup.api import Probe, Section
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

# What a parser may raise on text that it cannot read; the engine makes `bad_output` of these.
READING_ERRORS = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError)


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


# --- parsers ----------------------------------------------------------------------------------


def parse_problems(section: Section[Any], recorded: Sequence[str], examples: int = 60) -> list[str]:
    """What a section's parser does wrong on hostile text: cut, mixed and random forms of what was recorded.

    Needs hypothesis. Only what the engine turns into `bad_output` may be raised, and in good time.
    """
    if "posix" not in section.collect:
        return []
    found: list[str] = []
    _fuzz(lambda text: _parse_survives(section, text, found), recorded, examples)
    return found[:1]


def _parse_survives(section: Section[Any], text: str, found: list[str]) -> None:
    try:
        section.parse(text, "posix", section.version)
    except READING_ERRORS:
        pass
    except Exception as problem:  # noqa: BLE001  the very thing that is looked for
        found.append(f"{section.name}: parse raised {type(problem).__name__} on {text[:80]!r}")


def _fuzz(body: Callable[[str], None], recorded: Sequence[str], examples: int) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    words = sorted({word for text in recorded for word in re.split(r"[\s=:]+", text) if word})[:400]
    lines = sorted({line for text in recorded for line in text.splitlines()})[:400]
    odd = st.sampled_from(
        [" ", "\n", "=", ":", "-1", "99999999999999999999", "1e999", "nan", "\x00", "٣", "²"]
    )
    piece = st.one_of(st.text(max_size=12), odd, *(st.sampled_from(s) for s in (words, lines) if s))
    text = st.lists(piece, max_size=40).flatmap(
        lambda parts: st.sampled_from(["", " ", "\n"]).map(lambda j: j.join(parts))
    )

    @settings(
        max_examples=examples,
        deadline=1000,
        derandomize=True,
        database=None,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    @given(text)
    def run(one: str) -> None:
        body(one)

    run()


def recorded_texts(section: Section[Any], folder: Path) -> list[str]:
    """The raw text of a section in all samples below `folder`."""
    texts: set[str] = set()
    for path in sorted(folder.glob("*/*.json")):
        for one in load(path).targets:
            given = one.sections.get(section.name)
            if given and isinstance(given.raw, str):
                texts.add(given.raw)
    return sorted(texts)


def samples_without_probe(folder: Path, known: Collection[str]) -> list[str]:
    """Folders of samples that belong to no probe: a renamed probe would leave its tests behind."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and "." in path.name and path.name not in known
    )
