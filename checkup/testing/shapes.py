"""The shape of a section's raw data: which keys, with values of which types, whatever the values are.

The samples of a package say what its parsers were written for. Their shapes are kept in the package as
`recorded-shapes.json`, so that `checkup selftest` can say, on a machine nobody has seen, what differs.

A shape is flat: `$` is the data, `.key` a key of an object (a dot within it written `/`), `[]` the elements
of a list. Its value are the types seen there, with bars between; "absent" among them says that not every
such object had the key.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from checkup.api import JSON, Quality
from checkup.testing.samples import Sample, load

SHAPES_FILE = "recorded-shapes.json"
ABSENT = "absent"
MOST_DIFFERENCES = 12

Shape = Mapping[str, tuple[str, ...]]
Shapes = Mapping[str, Mapping[str, Shape]]  # section -> source -> shape


def shape_of(values: Iterable[JSON]) -> Shape:
    """What these raw data of one section and source have in common."""
    types: dict[str, set[str]] = {}
    objects: Counter[str] = Counter()
    keys: Counter[str] = Counter()
    for value in values:
        for path, kind in _walk(_without_names(value), "$"):
            types.setdefault(path, set()).add(kind)
            if kind == "object":
                objects[path] += 1
            keys[path] += 1
    for path, found in types.items():
        parent = _parent(path)
        if parent is not None and keys[path] < objects[parent]:
            found.add(ABSENT)
    return {path: tuple(sorted(types[path])) for path in sorted(types)}


def _without_names(value: JSON) -> JSON:
    """The databases that a SQL section lacks, by number: their names are the site's, and no keys."""
    if isinstance(value, dict) and "rows" in value and isinstance(value.get("missing"), dict):
        missing = value["missing"]
        return {**value, "missing": list(missing.values()) if isinstance(missing, dict) else missing}
    return value


def differences(recorded: Shape, seen: Shape) -> list[str]:
    """How data differ from what was recorded, a line each; empty where they do not."""
    found: list[str] = []
    for path, types in recorded.items():
        parent = _parent(path)
        expected = parent is not None and "object" in seen.get(parent, ()) and ABSENT not in types
        if expected and (path not in seen or ABSENT in seen[path]):
            found.append(f"{path} is missing")
    for path, types in seen.items():
        if path not in recorded:
            if _parent(path) is None or _parent(path) in recorded or path.endswith("[]"):
                found.append(f"{path} is new")
            continue
        new = [one for one in types if one != ABSENT and not _fits(one, recorded[path])]
        if new:
            before = " or ".join(one for one in recorded[path] if one != ABSENT)
            found.append(f"{path} is {' or '.join(new)}, recorded: {before}")
    left = len(found) - MOST_DIFFERENCES
    return [*found[:MOST_DIFFERENCES], f"and {left} more"] if left > 0 else found


def _fits(kind: str, recorded: Sequence[str]) -> bool:
    # 4.0 and 4 are the same number to whoever wrote the JSON.
    return kind in recorded or (kind == "integer" and "number" in recorded)


def _walk(value: JSON, path: str) -> Iterator[tuple[str, str]]:
    yield path, _kind(value)
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _walk(one, f"{path}.{key.replace('.', '/')}")
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, f"{path}[]")


def _kind(value: JSON) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case _:
            return "object"


def _parent(path: str) -> str | None:
    """The object that a key belongs to; None for what is no key."""
    if path.endswith("[]") or "." not in path:
        return None
    return path.rpartition(".")[0]


# --- of a package -----------------------------------------------------------------------------


def shapes_of_samples(folder: Path) -> Shapes:
    """The shapes in all samples below `folder`, of data that are objects or lists: a text has none."""
    data: dict[tuple[str, str], list[JSON]] = {}
    for path in sorted(folder.glob("*/*.json")):
        for name, source, raw in _recorded(load(path)):
            data.setdefault((name, source), []).append(raw)
    shapes: dict[str, dict[str, Shape]] = {}
    for (name, source), values in sorted(data.items()):
        shapes.setdefault(name, {})[source] = shape_of(values)
    return shapes


def _recorded(sample: Sample) -> Iterator[tuple[str, str, JSON]]:
    for target in sample.targets:
        for sections in (target.sections, target.previous):
            for name, one in sections.items():
                good = one.quality in (Quality.OK, Quality.PARTIAL)
                if good and isinstance(one.raw, dict | list) and one.source not in ("connection", "sampled"):
                    yield name, one.source, one.raw


def shapes_text(shapes: Shapes) -> str:
    written = {
        name: {
            source: {path: "|".join(types) for path, types in shape.items()} for source, shape in one.items()
        }
        for name, one in shapes.items()
    }
    return json.dumps(written, indent=1, sort_keys=True) + "\n"


def read_shapes(text: str) -> Shapes:
    """Raises ValueError on a text that holds no shapes."""
    data = cast(object, json.loads(text))
    try:
        return {
            str(name): {
                str(source): {str(path): tuple(types.split("|")) for path, types in shape.items()}
                for source, shape in sources.items()
            }
            for name, sources in cast("dict[str, dict[str, dict[str, str]]]", data).items()
        }
    except (AttributeError, TypeError) as error:
        raise ValueError("shapes are an object: section, source, path, types") from error
