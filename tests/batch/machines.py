"""Machines to run batches on: real shells, each with a PATH of its own."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from checkup.api import Declared
from checkup.batch.frames import Frame, FrameReader
from checkup.batch.hello import read_hello
from checkup.batch.posix import assemble, token_of
from checkup.batch.section import BatchSection

TOOLS = (
    *(
        "awk",
        "base64",
        "cat",
        "cksum",
        "cut",
        "date",
        "dd",
        "df",
        "env",
        "find",
        "grep",
        "head",
        "id",
        "ls",
        "od",
    ),
    *(
        "openssl",
        "pwd",
        "sed",
        "seq",
        "setsid",
        "sleep",
        "sort",
        "tail",
        "timeout",
        "touch",
        "tr",
        "uname",
        "yes",
    ),
)


@dataclass(frozen=True)
class Answer:
    frames: list[Frame]
    reader: FrameReader
    output: bytes

    @property
    def sections(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.kind == "SECTION"]

    @property
    def hello(self) -> Mapping[str, str]:
        return read_hello(self.frames[0].payload)


@dataclass(frozen=True)
class Machine:
    """A shell and the programs that it finds; `folder` is its PATH."""

    folder: Path

    def run(self, *sections: BatchSection, cwd: Path | None = None) -> Answer:
        script = assemble(sections, site="cedar-ridge", endpoint="srv-db")
        done = subprocess.run(
            [self.folder / "sh"],
            input=script,
            stdout=subprocess.PIPE,
            env={"PATH": str(self.folder), "HOME": "/"},
            cwd=cwd,
            timeout=50,
        )
        reader = FrameReader(token_of(script))
        return Answer(reader.feed(done.stdout), reader, done.stdout)

    def without(self, *tools: str) -> Machine:
        """The same machine after these programs were taken away."""
        if any(shutil.which(tool, path="/usr/sbin:/sbin") for tool in tools):
            pytest.skip("the batch adds /usr/sbin to PATH, and here that holds every program")
        folder = Path(tempfile.mkdtemp(dir=self.folder.parent))
        for entry in self.folder.iterdir():
            if entry.name not in tools:
                (folder / entry.name).symlink_to(entry.readlink())
        return Machine(folder)


def applets(busybox: str) -> Collection[str]:
    return subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()


def section(script: str, name: str = "facts", timeout_s: int = 20, **parameters: Declared) -> BatchSection:
    return BatchSection(
        target="srv-db", name=name, version=1, script=script, timeout_s=timeout_s, parameters=parameters
    )
