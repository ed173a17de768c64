from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from machines import TOOLS, Machine, applets


@pytest.fixture(scope="session", params=["dash", "bash", "busybox", "busybox-only"])
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A shell with the usual programs; `busybox-only` has nothing else but busybox."""
    shell, _, only = request.param.partition("-")
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    folder = tmp_path_factory.mktemp(request.param) / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = program if only else shutil.which(tool)
        if found and (not only or tool in applets(program)):
            (folder / tool).symlink_to(Path(found).absolute())
    (folder / "sh").symlink_to(program)
    return Machine(folder)
