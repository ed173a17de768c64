"""Properties of objects and columns. That real ones are read right, `test_oracles` shows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from checkup.jet.catalogue import read_catalogue
from checkup.jet.damage import Damage
from checkup.jet.formats import JET3, JET4, Format
from checkup.jet.properties import Properties, parse_properties
from tests.jet.corpora import readable_params
from tests.jet.made import open_path


def chunk(kind: int, body: bytes) -> bytes:
    return (len(body) + 6).to_bytes(4, "little") + kind.to_bytes(2, "little") + body


def text(layout: Format, value: str) -> bytes:
    return value.encode("cp1252" if layout is JET3 else "utf-16-le")


def block(layout: Format, names: list[str], owner: str, values: list[tuple[int, int, bytes]]) -> bytes:
    """A list of names and one block of values: (place of the name, type, bytes)."""
    raw_names = [text(layout, name) for name in names]
    listed = b"".join(len(raw).to_bytes(2, "little") + raw for raw in raw_names)
    raw_owner = text(layout, owner)
    head = (len(raw_owner) + 6).to_bytes(4, "little") + len(raw_owner).to_bytes(2, "little") + raw_owner
    items = b"".join(
        (len(value) + 8).to_bytes(2, "little")
        + b"\x00"
        + bytes([kind])
        + place.to_bytes(2, "little")
        + len(value).to_bytes(2, "little")
        + value
        for place, kind, value in values
    )
    return chunk(0x80, listed) + chunk(0x01 if owner else 0x00, head + items)


@pytest.mark.parametrize(("layout", "mark"), [(JET3, b"KKD\0"), (JET4, b"MR2\0")])
def test_values_of_every_kind(layout: Format, mark: bytes) -> None:
    names = ["Yes", "Count", "Title", "When", "Ratio", "Raw"]
    own = [
        (0, 1, b"\xff"),
        (1, 4, (-3).to_bytes(4, "little", signed=True)),
        (2, 10, text(layout, "Größe")),
        (3, 8, b"\x00\x00\x00\x00\x00\x00\xf8?"),
        (4, 7, b"\x00\x00\x00\x00\x00\x00\xf8?"),
        (5, 15, bytes(16)),
    ]
    data = mark + block(layout, names, "", own) + block(layout, names, "Born", [(0, 1, b"\x00")])
    assert parse_properties(data, layout, "cp1252") == Properties(
        {
            "Yes": True,
            "Count": -3,
            "Title": "Größe",
            "When": datetime(1899, 12, 31, 12),
            "Ratio": 1.5,
            "Raw": bytes(16),
        },
        {"Born": {"Yes": False}},
    )


def test_what_cannot_be_is_damage_and_ends() -> None:
    sound = b"MR2\0" + block(JET4, ["Yes"], "Born", [(0, 1, b"\xff")])
    assert isinstance(parse_properties(sound, JET4, "cp1252"), Properties)
    # Cut between two chunks it is merely shorter; anywhere else it is damage.
    whole = {4, 4 + len(chunk(0x80, b"\x06\x00" + text(JET4, "Yes")))}
    for end in range(len(sound)):
        found = parse_properties(sound[:end], JET4, "cp1252")
        assert isinstance(found, Properties) == (end in whole), end
    for data in (
        b"",
        b"XX\0\0rest",
        b"MR2\0" + bytes(6),
        b"MR2\0" + chunk(0, (6).to_bytes(4, "little") + bytes(12)),
    ):
        found = parse_properties(data, JET4, "cp1252")
        assert isinstance(found, Damage) and found.code == "properties-cut"
    unnamed = b"MR2\0" + block(JET4, ["Yes"], "", [(5, 1, b"\xff")])
    assert isinstance(parse_properties(unnamed, JET4, "cp1252"), Damage)


@pytest.mark.parametrize("path", readable_params())
def test_every_real_file_says_which_access_wrote_it(path: Path) -> None:
    catalogue = read_catalogue(open_path(path))
    version = catalogue.file_properties.own.get("AccessVersion")
    made_without_access = path.name in ("adox_jet4.mdb", "emptyJet4.mdb")
    assert (version in ("07.53", "08.50", "09.50")) != made_without_access
