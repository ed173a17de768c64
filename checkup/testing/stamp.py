"""The lint's stamp on a package of probes; see checkup.lint_stamp."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from checkup.api import PowerShell, Psutil, Section, Shell, Sql, Wmi
from checkup.lint_stamp import collector_digest
from checkup.sql import rights
from checkup.testing import powershell_lint, sql_lint
from checkup.testing.posix_lint import problems
from checkup.testing.wmi_lint import wmi_problems

# What a function for the local machine may call beside psutil: to make plain data of what psutil said.
PLAIN_CALLS = frozenset(
    {"int", "float", "str", "bool", "list", "dict", "round", "len", "sorted", "zip", "enumerate"}
)
PLAIN_METHODS = frozenset({"append", "items", "values", "get", "extend"})


def section_problems(section: Section[Any]) -> list[str]:
    """What in the collectors of this section might change something; empty when they only read."""
    found: list[str] = []
    for source, collector in section.collect.items():
        where = f"{section.name} ({source})"
        match collector:
            case Shell():
                found += [f"{where}: {problem}" for problem in problems(collector.script)]
            case PowerShell():
                found += powershell_lint.problems(
                    collector.script, where=where, parameters=frozenset(section.parameters)
                )
            case Wmi():
                found += [f"{where}: {problem}" for problem in wmi_problems(collector)]
            case Sql():
                found += [f"{where}: {problem}" for problem in sql_problems(source, collector)]
            case Psutil():
                code = textwrap.dedent(inspect.getsource(collector.read))
                found += [f"{where}: {problem}" for problem in psutil_problems(code)]
            case _:
                pass
    return found


def sql_problems(source: str, sql: Sql) -> list[str]:
    """What in the statements is not plain reading, and which rights the check-up never asks for."""
    engine = sql_lint.engine_of(source)
    if engine is None:
        return [f"no statement is sent to {source}"]
    return sql_lint.problems(engine, sql) + rights.problems(engine, sql)


def psutil_problems(code: str) -> list[str]:
    """Calls in this function that are neither psutil's nor plain handling of its answers."""
    return list(_psutil_problems(ast.parse(code)))


def _psutil_problems(tree: ast.AST) -> Iterator[str]:
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        # What psutil offers is called at once or is a constant: no module, no function handed on.
        if isinstance(node, ast.Attribute) and _of_psutil(node) and id(node) not in called:
            yield f"line {node.lineno}: psutil.{node.attr} is not a constant"
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Global | ast.With | ast.Await):
            yield f"line {node.lineno}: only calls of psutil are allowed"
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else name
            # Process objects can kill; psutil's own functions only read.
            reads = name.startswith("psutil.") and name.count(".") == 1 and "Process" not in name
            if not (reads or name in PLAIN_CALLS or method in PLAIN_METHODS):
                yield f"line {node.lineno}: {name} is not on the list"


def _of_psutil(node: ast.Attribute) -> bool:
    return ast.unparse(node.value) == "psutil" and not node.attr.isupper()


def stamp(sections: Iterable[Section[Any]]) -> Mapping[str, str]:
    """The digest of every section that passes the lint, by name."""
    return {s.name: collector_digest(s) for s in sections if s.collect and not section_problems(s)}


def stamp_text(sections: Iterable[Section[Any]]) -> str:
    return json.dumps(stamp(sections), indent=2, sort_keys=True) + "\n"
