"""A site file from disk to a checked `Site`, or every problem in it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePath

from pydantic import ValidationError

from checkup.site import references, tree
from checkup.site.expand import expand
from checkup.site.explain import explain, hide_foreign_names
from checkup.site.models import Site
from checkup.site.problems import Position, Problem, SiteFileError, SourceMap
from checkup.site.shipped import write_out_shipped

MAX_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class LoadedSite:
    """A site, and where in its file everything stands."""

    site: Site
    source: SourceMap
    path: Path


def load(path: Path, *, today: date) -> LoadedSite:
    """Read and check a site file; dates like "3 days ago" are counted from `today`.

    Raises SiteFileError with every problem of the file. Opens nothing else but lists that the file names by
    path (`access_shipped`), contacts nothing.
    """
    return load_text(_text(path), path=path, today=today)


def load_text(text: str, *, path: Path, today: date) -> LoadedSite:
    """The same for the text of a file; `path` is what messages call it."""
    try:
        read = tree.read(text)
    except tree.Unreadable as error:
        raise SiteFileError([error.problem], path) from None
    if not isinstance(read.data, dict):
        raise SiteFileError([*read.problems, _not_a_mapping(read)], path)
    data, unread = write_out_shipped(read.data, path.parent, read.source)
    expanded = expand(data)
    problems = [*read.problems, *unread, *references.check(expanded, read.source)]
    site: Site | None = None
    try:
        # As JSON, because that is what a file's data is: text may become a date, and nothing else is turned.
        site = Site.model_validate_json(json.dumps(expanded.data), strict=True, context={"today": today})
    except ValidationError as error:
        problems += explain(error, expanded, read.source)
    if problems or site is None:
        raise SiteFileError(map(hide_foreign_names, problems), path) from None
    return LoadedSite(site, read.source, path)


def _not_a_mapping(read: tree.Tree) -> Problem:
    if read.data is None:
        return Problem(Position(1, 1), (), "the file is empty", "`checkup init` writes a first one")
    return Problem(read.source.at(()), (), "not a site file", "it begins with `version: 1`, then `site:`")


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise _file_error(path, "is not a file" if path.exists() else "there is no such file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _file_error(path, f"cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise _file_error(path, "is larger than 1 MB", "a site file is a few pages of text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = re.split(r"\r\n|\r|\n", data[: error.start].decode("utf-8-sig"))
        position = Position(len(before), len(before[-1]) + 1)
        problem = Problem(position, (), "is not UTF-8 text", "save the file with the encoding UTF-8")
        raise SiteFileError([problem], path) from None


def _file_error(path: PurePath, message: str, hint: str = "") -> SiteFileError:
    return SiteFileError([Problem(None, (), message, hint)], path)
