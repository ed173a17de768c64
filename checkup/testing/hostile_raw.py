"""What a section's parser does with raw data that no honest machine would send.

Needs hypothesis. A parser may raise what the engine turns into `bad_output`, or hand back facts; and in good
time. Texts are cut and mixed from recorded ones; JSON data is a recorded value in which keys are missing,
types are wrong, numbers are huge, and lists, objects and nests stand where a value should.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from checkup.api import JSON, Section, Wmi
from checkup.testing.samples import OBJECT_SOURCES, load

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# What a parser may raise on raw data that it cannot read; the engine makes `bad_output` of these.
READING_ERRORS = (ValueError, LookupError, TypeError, ArithmeticError, AttributeError)

Recorded = tuple[str, JSON]  # source, raw


def parse_problems(section: Section[Any], recorded: Sequence[Recorded], examples: int = 60) -> list[str]:
    """What a section's parser does wrong, by source; `recorded` are raw data of its samples."""
    found: list[str] = []
    for source in sorted(sources(section) & {"posix", *OBJECT_SOURCES}):
        raws = [raw for of, raw in recorded if of == source or (source == "cim" and of == "windows")]
        strategy = _texts([raw for raw in raws if isinstance(raw, str)]) if source == "posix" else _json(raws)
        broken: list[str] = []
        _run(strategy, lambda raw, s=source, to=broken: _survives(section, s, raw, to), examples)
        found += broken[:1]
    return found


def sources(section: Section[Any]) -> frozenset[str]:
    """Where raw data of this section can come from: queries are also asked without a shell."""
    asked = isinstance(section.collect.get("windows"), Wmi)
    return frozenset[str](section.collect) | (frozenset({"cim"}) if asked else frozenset[str]())


def recorded_raw(section: Section[Any], folder: Path) -> list[Recorded]:
    """The raw data of a section in all samples below `folder`."""
    found: list[Recorded] = []
    for path in sorted(folder.glob("*/*.json")):
        for one in load(path).targets:
            given = one.sections.get(section.name)
            if given is not None and given.raw is not None and (given.source, given.raw) not in found:
                found.append((given.source, given.raw))
    return found


def _survives(section: Section[Any], source: str, raw: JSON, broken: list[str]) -> None:
    try:
        facts = section.parse(raw, source, section.version)
    except READING_ERRORS:
        return
    except Exception as problem:  # noqa: BLE001  the very thing that is looked for
        broken.append(
            f"{section.name}: parse raised {type(problem).__name__} on {source} {reprlib.repr(raw)}"
        )
        return
    if not isinstance(facts, section.facts):
        broken.append(f"{section.name}: parse made {type(facts).__name__} of {source} {reprlib.repr(raw)}")


def _run(strategy: SearchStrategy[JSON], body: Callable[[JSON], None], examples: int) -> None:
    from hypothesis import HealthCheck, given, settings

    @settings(
        max_examples=examples,
        deadline=1000,
        derandomize=True,
        database=None,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    @given(strategy)
    def run(raw: JSON) -> None:
        body(raw)

    run()


# --- text -------------------------------------------------------------------------------------


def _texts(recorded: Sequence[str]) -> SearchStrategy[JSON]:
    from hypothesis import strategies as st

    words = sorted({word for text in recorded for word in re.split(r"[\s=:]+", text) if word})[:400]
    lines = sorted({line for text in recorded for line in text.splitlines()})[:400]
    odd = st.sampled_from(
        [" ", "\n", "=", ":", "-1", "99999999999999999999", "1e999", "nan", "\x00", "٣", "²"]
    )
    piece = st.one_of(st.text(max_size=12), odd, *(st.sampled_from(s) for s in (words, lines) if s))
    return st.lists(piece, max_size=40).flatmap(
        lambda parts: st.sampled_from(["", " ", "\n"]).map(lambda j: j.join(parts))
    )


# --- JSON data --------------------------------------------------------------------------------

NESTED = 900  # deeper than any honest data, hardly as deep as a JSON reader goes


def _nest() -> JSON:
    nest: JSON = []
    for _ in range(NESTED):
        nest = [nest]
    return nest


# What may stand in place of any value: other types, ends of ranges, dates that are none, odd characters.
ODD: tuple[JSON, ...] = (
    *(None, True, False, 0, -1, 2**63, 2**64, -(10**400), 10**4000),
    *(0.5, 1e308, float("inf"), float("nan"), "", " ", "0", "-1", "99999999999999999999", "1e999", "nan"),
    *("true", "x", "\x00", "\ud800", "٣", "²", "ﬁ", "İ", "C:", "x" * 5000),
    *("20261301000000.000000+000", "00000000000000.000000+000", "99991231235959.999999-999"),
    *(
        "16010101000000.000000+***",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
    ),
    *([], {}, [None], [[]], [{}], {"": None}, {"Name": []}, [1, "a", None, {}]),
)


def _json(recorded: Sequence[JSON]) -> SearchStrategy[JSON]:
    from hypothesis import strategies as st

    odd: SearchStrategy[JSON] = st.one_of(
        st.sampled_from(ODD).map(deepcopy),
        st.builds(_nest),
        st.text(max_size=12),
        st.integers(),
        st.floats(),
    )
    if not recorded:
        return odd

    @st.composite
    def mutated(draw: Callable[[SearchStrategy[Any]], Any]) -> JSON:
        raw: JSON = deepcopy(draw(st.sampled_from(recorded)))
        for _ in range(draw(st.integers(1, 4))):
            places = _places(raw)
            if not places:
                break
            holder, key = draw(st.sampled_from(places))
            change: str = draw(
                st.sampled_from(("replace", "replace", "drop", "list", "object", "text", "twice"))
            )
            _change(holder, key, change, draw(odd) if change == "replace" else None)
        return raw

    return st.one_of(mutated(), mutated(), mutated(), odd)


Holder = dict[str, JSON] | list[JSON]


def _places(raw: JSON) -> list[tuple[Holder, str | int]]:
    """Every value inside of the data, by what holds it and where."""
    found: list[tuple[Holder, str | int]] = []
    waiting: list[JSON] = [raw]
    while waiting and len(found) < 2000:
        holder = waiting.pop()
        if isinstance(holder, dict):
            found += [(holder, key) for key in holder]
            waiting += holder.values()
        elif isinstance(holder, list):
            found += [(holder, place) for place in range(len(holder))]
            waiting += holder
    return found


def _change(holder: Holder, key: str | int, change: str, odd: JSON) -> None:
    inside = cast(dict[str | int, JSON], holder)  # a list is set and read alike
    value = inside[key]
    match change:
        case "drop":
            del inside[key]
        case "list":
            inside[key] = list(value.values()) if isinstance(value, dict) else [value]
        case "object":
            inside[key] = (
                {str(n): one for n, one in enumerate(value)} if isinstance(value, list) else {"0": value}
            )
        case "text":
            inside[key] = str(value)
        case "twice":
            inside[key] = [value, value] if not isinstance(value, list) else [*value, *value]
        case _:
            inside[key] = odd
