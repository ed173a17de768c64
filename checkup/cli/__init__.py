"""The command line: one thin file per command. Arguments in, printing out, no logic."""

from checkup.cli.app import main

__all__ = ["main"]
