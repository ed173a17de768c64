"""`python -m checkup.testing stamp PACKAGE` lints the collectors of a package and writes its stamp."""

from __future__ import annotations

import argparse
import importlib
import sys

from checkup.lint_stamp import STAMP_FILE
from checkup.testing.package import contents
from checkup.testing.stamp import section_problems, stamp_text


def main(arguments: list[str] | None = None) -> int:
    """Exit 0: every section has its stamp; 1: some did not pass and stay without one."""
    parser = argparse.ArgumentParser(prog="python -m checkup.testing", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    stamping = commands.add_parser("stamp", help="lint a package's collectors and write its lint stamp")
    stamping.add_argument("package", help="name of an importable package of probes, such as `probes`")
    given = parser.parse_args(arguments)
    try:
        package = importlib.import_module(given.package)
    except ImportError as problem:
        sys.stderr.write(
            f"cannot import {given.package}: {problem}; run this where the package is installed\n"
        )
        return 2
    found = contents(package)
    problems = [problem for section in found.sections for problem in section_problems(section)]
    path = found.folder / STAMP_FILE
    path.write_text(stamp_text(found.sections), encoding="utf-8", newline="\n")
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    sys.stderr.write(f"{path}: {len(found.sections)} sections, {len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
