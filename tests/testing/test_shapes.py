"""What raw data look like, whatever they say; and a recording that becomes a sample."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup import catalogue
from checkup.api import JSON
from checkup.testing.__main__ import main
from checkup.testing.running import run_sample
from checkup.testing.samples import OLD_WINDOWS, load
from checkup.testing.shapes import (
    SHAPES_FILE,
    differences,
    read_shapes,
    shape_of,
    shapes_of_samples,
    shapes_text,
)

REPOSITORY = Path(__file__).parents[2]
ROWS: JSON = {"Win32_Disk": [{"Name": "C:", "Size": 5}, {"Name": "D:", "Size": None, "Label": "data"}]}

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def test_the_shapes_that_are_shipped_are_those_of_the_samples() -> None:
    """`python -m checkup.testing shapes probes` writes them."""
    shipped = (REPOSITORY / "probes" / SHAPES_FILE).read_text(encoding="utf-8")
    assert shipped == shapes_text(shapes_of_samples(REPOSITORY / "tests" / "probes"))


def test_a_key_that_not_every_row_has_is_optional() -> None:
    shape = shape_of([ROWS])
    assert shape["$.Win32_Disk[].Label"] == ("absent", "text")
    assert shape["$.Win32_Disk[].Size"] == ("integer", "null")
    assert shape["$.Win32_Disk[].Name"] == ("text",)


def test_data_of_the_recorded_shape_do_not_differ() -> None:
    assert differences(shape_of([ROWS]), shape_of([{"Win32_Disk": [{"Name": "E:", "Size": 7}]}])) == []
    assert differences(shape_of([ROWS]), shape_of([{"Win32_Disk": []}])) == []
    assert differences(shape_of([{"load": 0.5}]), shape_of([{"load": 1}])) == []


def test_what_is_missing_new_or_of_another_type_is_named() -> None:
    seen: JSON = {"Win32_Disk": [{"Size": "5", "Mood": {"is": "good"}}], "Win32_Drive": []}
    assert differences(shape_of([ROWS]), shape_of([seen])) == [
        "$.Win32_Disk[].Name is missing",
        "$.Win32_Disk[].Mood is new",
        "$.Win32_Disk[].Size is text, recorded: integer or null",
        "$.Win32_Drive is new",
    ]


def test_a_key_with_a_dot_is_one_key() -> None:
    shape = shape_of([{"ws-3.example": {"up": True}}, {"ws-3.example": {}}])
    assert shape["$.ws-3/example.up"] == ("absent", "boolean")
    assert differences(shape, shape_of([{"ws-3.example": {}}])) == []


def test_no_end_of_differences_is_cut_short() -> None:
    found = differences(shape_of([{}]), shape_of([{str(number): 1 for number in range(50)}]))
    assert len(found) == 13
    assert found[-1] == "and 38 more"


@given(PLAIN)
def test_data_never_differ_from_their_own_shape(value: object) -> None:
    shape = shape_of([value])  # pyright: ignore[reportArgumentType] - plain JSON data
    assert differences(shape, shape) == []
    assert read_shapes(shapes_text({"a": {"windows": shape}})) == {"a": {"windows": shape}}


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', '{"a": {"windows": {"$": 1}}}', "no JSON"])
def test_what_are_no_shapes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|object"):
        read_shapes(text)


# --- recordings -----------------------------------------------------------------------------------


def a_sample() -> tuple[str, dict[str, object]]:
    """A sample of an old Windows that we have, by its probe."""
    for path in sorted((REPOSITORY / "tests" / "probes").glob("host.*/*.json")):
        sample = json.loads(path.read_text(encoding="utf-8"))
        if sample.get("windows") in OLD_WINDOWS and "sections" in sample:
            return path.parent.name, sample
    raise AssertionError("there is no sample of an old Windows")


def test_a_recording_becomes_a_sample_of_a_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe, sample = a_sample()
    recording = {
        "about": "Windows 6.1.7601, client",
        "recorded_at": sample["now"],
        "windows": sample["windows"],
        "sections": {**dict(sample["sections"]), "another": {"raw": {}}},  # pyright: ignore
    }
    file = tmp_path / "recording.json"
    file.write_text(json.dumps(recording), encoding="utf-8")
    assert main(["fixture", str(file), "--probe", probe]) == 0
    made = tmp_path / "made.json"
    made.write_text(capsys.readouterr().out, encoding="utf-8")
    known = catalogue.load()
    assert run_sample(known.entries[probe], known, made) == []
    assert load(made).expect != ()
    assert set(json.loads(made.read_text(encoding="utf-8"))["sections"]) == set(sample["sections"])  # pyright: ignore


@pytest.mark.parametrize(
    ("content", "probe", "said"),
    [
        ("{}", "host.memory", "is no recording"),
        ("no JSON", "host.memory", "cannot be read"),
        ('{"recorded_at": "2026-11-20T10:00:00Z", "sections": {}}', "host.memory", "none of the sections"),
        ("{}", "host.memori", "did you mean 'host.memory'?"),
    ],
)
def test_what_makes_no_sample_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, probe: str, said: str
) -> None:
    file = tmp_path / "recording.json"
    file.write_text(content, encoding="utf-8")
    assert main(["fixture", str(file), "--probe", probe]) == 2
    assert said in capsys.readouterr().err
