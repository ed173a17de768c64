"""The real Access files that tests read: never part of the project, found or else skipped with a reason.

CHECKUP_ACCESS_CORPORA names their folder (with `access/` and `big/` in it); without it the folder
`shared/corpora` is looked for beside the repository and above it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from checkup.jet.formats import LARGEST_PAGE
from checkup.jet.header import read_header

VARIABLE: Final = "CHECKUP_ACCESS_CORPORA"
ABSENT: Final = f"needs the corpora of Access files: set {VARIABLE} to their folder"
NO_ZSTD: Final = "needs zstd (Debian: apt-get install zstd)"
BIG_FILES: Final = ("mid200_jet4.mdb", "mid200_ace.accdb")

_SUFFIXES: Final = (".mdb", ".accdb", ".mny")


def corpora_folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named) if Path(named).is_dir() else None
    repository = Path(__file__).resolve().parents[2]
    for folder in (repository, *repository.parents):
        found = folder / "shared" / "corpora"
        if found.is_dir():
            return found
    return None


def access_files(under: str = "") -> tuple[Path, ...]:
    """Every file, or those whose path in the corpora contains `under`; none without corpora."""
    folder = corpora_folder()
    if folder is None:
        return ()
    files = (folder / "access").rglob("*")
    return tuple(
        sorted(f for f in files if f.suffix in _SUFFIXES and under in f.relative_to(folder).as_posix())
    )


def corpus_params(under: str = "") -> list[object]:
    """For `pytest.mark.parametrize`: each file under its path within the corpora, or one that is skipped."""
    folder = corpora_folder()
    files = access_files(under)
    if folder is None or not files:
        return [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT), id="no-corpora")]
    return [pytest.param(f, id=f.relative_to(folder / "access").as_posix()) for f in files]


def readable_params() -> list[object]:
    """As `corpus_params`, without the files that are encrypted."""
    folder = corpora_folder()
    files = [f for f in access_files() if read_header(_start(f)).readable]
    if folder is None or not files:
        return corpus_params()
    return [pytest.param(f, id=f.relative_to(folder / "access").as_posix()) for f in files]


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_PAGE)


def corpus_file(part: str) -> Path:
    """The one file whose path ends so; skips the test where there are no corpora."""
    found = [f for f in access_files() if f.as_posix().endswith(part)]
    if not found:
        pytest.skip(ABSENT)
    assert len(found) == 1, f"{len(found)} files end with {part}"
    return found[0]


def unpack_big_file(name: str, into: Path) -> Path:
    """One of BIG_FILES (206 MB), unpacked; the caller removes it. Skips where it cannot be had."""
    folder = corpora_folder()
    packed = None if folder is None else folder / "big" / f"{name}.zst"
    if packed is None or not packed.is_file():
        pytest.skip(ABSENT)
    if shutil.which("zstd") is None:
        pytest.skip(NO_ZSTD)
    target = into / name
    subprocess.run(["zstd", "-dqf", "--long=27", str(packed), "-o", str(target)], check=True)
    return target
