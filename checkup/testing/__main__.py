"""`python -m checkup.testing lint PACKAGE` says what a package's collectors may not do; `stamp PACKAGE` does
the same and writes the package's lint stamp. `shapes PACKAGE` writes what its samples look like; `fixture
FILE --probe ID` makes a sample of what `checkup selftest --record` wrote."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from checkup.lint_stamp import STAMP_FILE
from checkup.testing.package import contents
from checkup.testing.powershell_lint import prologue_problems
from checkup.testing.recording import write_fixture
from checkup.testing.shapes import SHAPES_FILE, shapes_of_samples, shapes_text
from checkup.testing.sql_contract import sql_problems
from checkup.testing.stamp import section_problems, stamp_text


def main(arguments: list[str] | None = None) -> int:
    """Exit 0: every section passed the lint; 1: some did not; 2: there is no such package."""
    parser = argparse.ArgumentParser(prog="python -m checkup.testing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("lint", "say what in a package's collectors might change a machine, or fail on an old one"),
        ("stamp", "lint a package's collectors and write its lint stamp"),
    ):
        commands.add_parser(name, help=what).add_argument(
            "package", help="name of an importable package of probes, such as `probes`"
        )
    shaping = commands.add_parser("shapes", help="write the shapes of a package's samples into the package")
    shaping.add_argument("package")
    shaping.add_argument("--samples", type=Path, help="their folder; by default tests/PACKAGE")
    making = commands.add_parser("fixture", help="make a sample of a recording, to be read and corrected")
    making.add_argument("file", type=Path)
    making.add_argument("--probe", required=True, help="the id of the probe that it shall be a sample of")
    given = parser.parse_args(arguments)
    if given.command == "fixture":
        return write_fixture(given.file, given.probe)
    try:
        package = importlib.import_module(given.package)
    except ImportError as problem:
        sys.stderr.write(
            f"cannot import {given.package}: {problem}; run this where the package is installed\n"
        )
        return 2
    found = contents(package)
    if given.command == "shapes":
        path = found.folder / SHAPES_FILE
        samples = given.samples or Path("tests") / given.package
        path.write_text(shapes_text(shapes_of_samples(samples)), encoding="utf-8", newline="\n")
        sys.stderr.write(f"{path}: written\n")
        return 0
    problems = [problem for section in found.sections for problem in section_problems(section)]
    if given.command == "lint":
        problems += [problem for section in found.sections for problem in sql_problems(section)]
    if (found.folder / "powershell").is_dir():
        problems += prologue_problems()  # the fixed files of a Windows batch stand beside our own probes
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    if given.command == "stamp":
        path = found.folder / STAMP_FILE
        path.write_text(stamp_text(found.sections), encoding="utf-8", newline="\n")
        sys.stderr.write(f"{path}: written\n")
    sys.stderr.write(f"{len(found.sections)} sections, {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
