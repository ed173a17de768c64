"""Nothing that the lint calls clean may run a program that is not on its list: asked of real shells."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from checkup.testing.posix_lint import problems

PARTS = [
    *(
        "zap",
        "zap",
        "zap",
        "echo ",
        "a",
        '"',
        "'",
        ";",
        "\n",
        "\n",
        " ",
        "#",
        "$(",
        ")",
        "`",
        "{ ",
        "; }",
        "(",
        "\\",
    ),
    *(
        "\\\n",
        "|",
        "||",
        "&&",
        "&",
        "<",
        ">f",
        "2>/dev/null",
        "case x in ",
        "x)",
        ";;",
        " esac",
        "if true; then ",
    ),
    *(
        "; fi",
        "for i in 1; do ",
        "; done",
        "! ",
        "x=",
        "$x",
        '"$x"',
        "${x:-",
        "${x#",
        "}",
        "$((",
        "))",
        "f() ",
        "f",
    ),
    *(
        "<<EOF",
        "\nEOF\n",
        "\r",
        "\t",
        "[ ",
        " ]",
        "set -- ",
        "eval ",
        "command ",
        "command -v ",
        "exec ",
        "\x0b",
    ),
]
SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]


@pytest.mark.skipif(not SHELLS, reason="no POSIX shell here")
@pytest.mark.parametrize("seed", range(4))
def test_a_clean_script_runs_nothing_else(tmp_path: Path, seed: int) -> None:
    programs, here = tmp_path / "bin", tmp_path / "here"
    programs.mkdir()
    here.mkdir()
    zap = programs / "zap"
    zap.write_text("#!/bin/sh\n: >zapped\n", encoding="utf-8")
    zap.chmod(0o755)
    choose = random.Random(seed)
    for _ in range(800):
        script = "".join(choose.choices(PARTS, k=choose.randint(2, 12)))
        if "zap" not in script or problems(script):
            continue
        for shell in SHELLS:
            path = shutil.which(shell[0]) or ""
            subprocess.run(
                [path, *shell[1:], "-c", script],
                cwd=here,
                env={"PATH": str(programs)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=20,
                check=False,
            )
            assert list(here.iterdir()) == [], f"{shell[0]} ran it: {script!r}"
