"""What a maker shipped with an Access file: `declare: {access_shipped: shipped.json}` written out.

The list becomes part of the site, and so is kept with each run: a report made again years later needs no file
beside the site file.
"""

from __future__ import annotations

import json
from pathlib import Path

from checkup.api import JSON
from checkup.site.expand import mapping
from checkup.site.problems import Problem, SourceMap

KEY = "access_shipped"
MOST_BYTES = 32 * 1024**2  # what `checkup access --json` says of a file with 32,768 objects, and more
MOST_OBJECTS = 32_768  # Microsoft, "Access specifications": objects in a file


def write_out_shipped(data: JSON, folder: Path, source: SourceMap) -> tuple[JSON, list[Problem]]:
    """`data` with the lists in place of the names of files, which are looked for in `folder`."""
    files = mapping(data).get("access")
    if not isinstance(files, list):
        return data, []
    problems: list[Problem] = []
    written: list[JSON] = []
    for index, file in enumerate(files):
        declared = mapping(mapping(file).get("declare"))
        named = declared.get(KEY)
        if not isinstance(named, str) or not named.lower().endswith(".json"):
            written.append(file)
            continue
        try:
            lines: list[JSON] = [*read_shipped(folder / Path(named).expanduser())]
        except ValueError as error:
            keypath = ("access", index, "declare", KEY)
            hint = "make it with `checkup access FILE --json`, of the file as it was shipped"
            problems.append(Problem(source.at(keypath), keypath, f"the file named here: {error}", hint))
            lines = []
        written.append({**mapping(file), "declare": {**declared, KEY: lines}})
    return {**mapping(data), "access": written}, problems


def read_shipped(path: Path) -> list[str]:
    """The objects in a document of `checkup access --json`, or in a list of the same form, one line each.

    Raises ValueError, with what is wrong with the file.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise ValueError("it is larger than 32 MB")
    try:
        document: JSON = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    listed = mapping(mapping(document).get("parts")).get("objects", mapping(document).get("objects"))
    if not isinstance(listed, list) or len(listed) > MOST_OBJECTS:
        raise ValueError("it lists no objects")
    return [_line(mapping(one)) for one in listed]


def _line(one: dict[str, JSON]) -> str:
    kind, name, updated = one.get("kind"), one.get("name"), one.get("updated")
    if not isinstance(kind, str) or not isinstance(name, str):
        raise ValueError("an object in it has no kind or no name")
    return f"{kind} {name} {updated}" if isinstance(updated, str) else f"{kind} {name}"
