"""Packages of probes: found as `importlib.metadata` finds them, however they are installed."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from checkup.workflow.probe_packages import probe_packages

GROUP = "checkup.probes"
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts what a package says about itself into a folder of the path, and the folder first."""

    def put(folder: str, package: str, points: str, kind: str = "dist-info") -> Path:
        about = tmp_path / folder / f"{package}.{kind}"
        about.mkdir(parents=True)
        about.joinpath("METADATA" if kind == "dist-info" else "PKG-INFO").write_text(
            f"Metadata-Version: 2.1\nName: {package.partition('-')[0]}\nVersion: 1.0\n", encoding="utf-8"
        )
        about.joinpath("entry_points.txt").write_text(points, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / folder)
        return tmp_path / folder

    return put


def known(group: str = GROUP) -> list[tuple[str, str]]:
    return sorted((point.name, point.value) for point in importlib.metadata.entry_points(group=group))


@pytest.mark.parametrize("group", [GROUP, "console_scripts", "pytest11", "nobody.has.this"])
def test_what_is_installed_here_is_found(group: str) -> None:
    assert probe_packages(group) == known(group)


def test_a_package_of_someone_else_is_found(install: Install) -> None:
    install(
        "site",
        "cedar_probes-1.0",
        f"[other]\nno = cedar_no\n\n# ours\n[{GROUP}]\ncedar = cedar_probes:access\n#old = gone\n[more]\na=b",
    )
    assert probe_packages(GROUP) == known()
    assert ("cedar", "cedar_probes:access") in probe_packages(GROUP)


def test_of_a_package_that_is_there_twice_the_first_counts(install: Install) -> None:
    install("second", "Cedar.Probes-1.0", f"[{GROUP}]\ncedar = old_probes")
    install("first", "cedar_probes-2.0", f"[{GROUP}]\ncedar = new_probes")
    assert probe_packages(GROUP) == known()
    assert ("cedar", "new_probes") in probe_packages(GROUP)


def test_a_package_that_was_installed_in_the_old_way_is_found(install: Install) -> None:
    install("site", "cedar_probes", f"[{GROUP}]\ncedar = cedar_probes", kind="egg-info")
    assert ("cedar", "cedar_probes") in probe_packages(GROUP)


def test_a_package_in_an_archive_is_found(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install("site", "cedar_probes-1.0", f"[{GROUP}]\ncedar = cedar_probes")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(folder)])
    archive = folder.parent / "site.zip"
    with zipfile.ZipFile(archive, "w") as written:
        for path in folder.rglob("*"):
            if path.is_file():
                written.write(path, path.relative_to(folder))
    assert ("cedar", "cedar_probes") not in probe_packages(GROUP)
    monkeypatch.syspath_prepend(archive)
    assert ("cedar", "cedar_probes") in probe_packages(GROUP)


def test_where_folders_tell_all_the_slow_library_is_not_loaded() -> None:
    code = (
        "import sys; from checkup.workflow.probe_packages import probe_packages;"
        "found = probe_packages('checkup.probes');"
        "sys.exit(0 if found and 'importlib.metadata' not in sys.modules else 1)"
    )
    assert subprocess.run([sys.executable, "-S", "-c", _with_path(code)], check=False).returncode == 0


def _with_path(code: str) -> str:
    """Without `site`, whose .pth files may load anything; with the path that it made."""
    return f"import sys; sys.path[:] = {sys.path!r}; {code}"
