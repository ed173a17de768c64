"""Other readers of Access files, asked for what they see: mdbtools, mdb-reader (npm), access-parser (PyPI).

mdbtools comes from Debian. The two others are installed by hand, outside the project, into a folder that
CHECKUP_ACCESS_ORACLES names; without it the tests that need them are skipped:

    python3 -m venv DIR/python && DIR/python/bin/pip install access-parser==0.0.6
    npm install --prefix DIR mdb-reader@3
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

VARIABLE: Final = "CHECKUP_ACCESS_ORACLES"
NO_MDBTOOLS: Final = "needs mdbtools (Debian: apt-get install mdbtools)"
ABSENT: Final = f"needs other readers: see tests/jet/oracles.py for how to fill the folder of {VARIABLE}"

needs_mdbtools = pytest.mark.skipif(shutil.which("mdb-schema") is None, reason=NO_MDBTOOLS)

_LIMIT_S: Final = 120
_CREATE_TABLE = re.compile(r"CREATE TABLE \[(?P<table>.*?)\]\n \((?P<columns>.*?)\n\);", re.DOTALL)
_COLUMN = re.compile(r"\t\[(?P<name>.*)\]\t+(?P<type>.*?),? ?$")
_PRIMARY = re.compile(r'ALTER TABLE "(.*?)" ADD CONSTRAINT ".*?" PRIMARY KEY \((.*)\);')
_INDEX = re.compile(r'CREATE (UNIQUE )?INDEX "(?:.*?)" ON "(.*?)" \((.*)\);')
_INDEX_COLUMN = re.compile(r'"(.*?)"( DESC|)')
_PROPERTY = re.compile(r"\t(?P<name>[^\t:][^:]*): (?P<value>.*)")


@dataclass(frozen=True)
class Relation:
    """A row of MSysRelationships."""

    name: str
    bits: int
    child: str
    child_column: str
    parent: str
    parent_column: str


class Mdbtools:
    """One file, as the programs of mdbtools print it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def tables(self, *, system: bool) -> list[str]:
        return self._lines("mdb-tables", "-1", *(["-S"] if system else []), self.path)

    def count(self, table: str) -> int:
        return int(self._run("mdb-count", self.path, table))

    def queries(self) -> list[str]:
        return self._lines("mdb-queries", "-L", "-1", self.path)

    def columns(self) -> dict[str, list[tuple[str, str]]]:
        """Names and types, in Access' own words, by table."""
        printed = self._run("mdb-schema", "--no-not-null", "--no-default-values", self.path)
        return {
            table["table"]: [
                (column["name"], column["type"])
                for line in table["columns"].split("\n")
                if (column := _COLUMN.match(line))
            ]
            for table in _CREATE_TABLE.finditer(printed)
        }

    def indexes(self) -> set[tuple[str, str, tuple[tuple[str, bool], ...]]]:
        """Table, "primary", "unique" or "", and the columns with whether they descend; names simplified."""
        printed = self._run("mdb-schema", self.path, "postgres")
        found = {
            (
                simple(table),
                "primary",
                tuple((simple(name), False) for name, _ in _INDEX_COLUMN.findall(columns)),
            )
            for table, columns in _PRIMARY.findall(printed)
        }
        for unique, table, columns in _INDEX.findall(printed):
            parts = tuple((simple(name), bool(descends)) for name, descends in _INDEX_COLUMN.findall(columns))
            found.add((simple(table), "unique" if unique else "", parts))
        return found

    def relations(self) -> list[Relation]:
        printed = self._run("mdb-export", self.path, "MSysRelationships")
        return [
            Relation(
                row["szRelationship"],
                int(row["grbit"]),
                row["szObject"],
                row["szColumn"],
                row["szReferencedObject"],
                row["szReferencedColumn"],
            )
            for row in csv.DictReader(io.StringIO(printed))
        ]

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [json.loads(line, strict=False) for line in self._lines("mdb-json", self.path, table)]

    def properties(self, table: str) -> dict[str, dict[str, str]]:
        """Printed values by name, by column; "" for the table's own."""
        found: dict[str, dict[str, str]] = {}
        owner = ""
        for line in self._run("mdb-prop", self.path, table).split("\n"):
            if line.startswith("name: "):
                owner = line.removeprefix("name: ").replace("(none)", "")
                found.setdefault(owner, {})
            elif match := _PROPERTY.fullmatch(line):
                found[owner][match["name"]] = match["value"]
        return found

    def _lines(self, *command: str) -> list[str]:
        return [line for line in self._run(*command).split("\n") if line]

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_LIMIT_S)
        return done.stdout.decode("utf-8", "replace")


def simple(name: str) -> str:
    """A name as mdb-schema writes it for PostgreSQL."""
    return re.sub(r"[^a-z0-9_]", "_", name.lower())


MDB_READER: Final = """
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const { default: Reader } = await import(createRequire(process.argv[2]).resolve("mdb-reader"));
const answers = {};
for (const file of process.argv.slice(3)) {
  try {
    const reader = new Reader(readFileSync(file));
    const tables = {};
    const own = { normalTables: true, systemTables: true, linkedTables: false };
    for (const name of reader.getTableNames(own)) {
      try {
        const table = reader.getTable(name);
        tables[name] = { rows: table.rowCount, columns: table.getColumns().map(
          (c) => [c.name, c.type, c.size, c.autoLong, c.precision ?? null, c.scale ?? null]) };
      } catch (error) { tables[name] = { error: String(error) }; }
    }
    answers[file] = { tables, users: reader.getTableNames(), links: reader.getTableNames(
      { normalTables: false, systemTables: false, linkedTables: true }) };
  } catch (error) { answers[file] = { error: String(error) }; }
}
console.log(JSON.stringify(answers));
"""

ACCESS_PARSER: Final = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from access_parser import AccessParser
answers = {}
for file in sys.argv[1:]:
    try:
        parser = AccessParser(file)
        tables = {}
        for name, page in parser.catalog.items():
            table = parser.get_table(name)
            columns = [[c.col_name_str, c.type] for c in table.columns.values()]
            tables[name] = {"page": page, "rows": table.table_header.number_of_rows, "columns": columns}
        answers[file] = {"tables": tables}
    except Exception as error:
        answers[file] = {"error": repr(error)}
print(json.dumps(answers))
"""


def ask_mdb_reader(files: Sequence[Path], scratch: Path) -> Mapping[str, Any]:
    """By path; skips where it is not installed."""
    node = shutil.which("node")
    folder = _folder("node_modules/mdb-reader/package.json")
    if node is None:
        pytest.skip("needs Node.js")
    program = scratch / "ask.mjs"
    program.write_text(MDB_READER)
    return _answers([node, str(program), f"{folder}/", *map(str, files)])


def ask_access_parser(files: Sequence[Path]) -> Mapping[str, Any]:
    """By path; skips where it is not installed."""
    python = _folder("python/bin/python") / "python" / "bin" / "python"
    return _answers([str(python), "-W", "ignore", "-c", ACCESS_PARSER, *map(str, files)])


def _folder(needed: str) -> Path:
    named = os.environ.get(VARIABLE, "")
    if not named or not (Path(named) / needed).exists():
        pytest.skip(ABSENT)
    return Path(named)


def _answers(command: Sequence[str]) -> Mapping[str, Any]:
    done = subprocess.run(command, capture_output=True, check=True, timeout=_LIMIT_S)
    return json.loads(done.stdout)
