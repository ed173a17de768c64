"""Runs a PowerShell fragment without PowerShell: the part of the language that careful fragments use.

There is no PowerShell for these tests, and a fragment that decides what leaves a client's machine must have
run. What is not known here raises NotImplementedError, so nothing is passed over. It is stricter than the
real thing (no conversions but those named) and says nothing about the versions of .NET.
"""

from __future__ import annotations

import base64
import fnmatch
import math
import ntpath
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checkup.testing.powershell_code import Code, parse

Value = Any


class ReturnedError(Exception):
    def __init__(self, value: Value) -> None:
        self.value = value


class BrokeError(Exception):
    """break"""


class ContinuedError(Exception):
    """continue"""


@dataclass
class Scope:
    """PowerShell shows a function the variables of its callers; what it sets is its own."""

    above: Scope | None = None
    values: dict[str, Value] = field(default_factory=dict[str, Value])

    def get(self, name: str) -> Value:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.above
        raise NotImplementedError(f"nothing has set ${name}")


@dataclass
class Thrown:
    """$_ in a catch"""

    Exception: OSError


class ArrayList(list[Value]):
    def Add(self, value: Value) -> int:
        self.append(value)
        return len(self) - 1

    @property
    def Count(self) -> int:
        return len(self)


@dataclass
class Disk:
    """The files that a fragment finds, by their Windows path; `opened` says how each was opened.

    `broken_at`: the byte that cannot be read; `refused`: what opening any file raises.
    """

    files: Mapping[str, Path]
    network: frozenset[str] = frozenset()  # drives
    broken_at: float = math.inf
    refused: OSError | None = None
    sleeping: Callable[[], None] = lambda: None  # what others do while a fragment waits
    opened: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])

    def at(self, path: str) -> Path | None:
        return next((real for name, real in self.files.items() if name.lower() == path.lower()), None)


class FileStream:
    def __init__(self, disk: Disk, path: str, *how: str) -> None:
        disk.opened.append((path, *how))
        real = disk.at(path)
        if real is None:
            raise FileNotFoundError(path)
        if disk.refused is not None:
            raise disk.refused
        self._broken_at = disk.broken_at
        self._file = real.open("rb", buffering=0)

    @property
    def Length(self) -> int:
        here = self._file.tell()
        end = self._file.seek(0, 2)
        self._file.seek(here)
        return end

    def Read(self, into: bytearray, at: int, count: int) -> int:
        # Less than was asked for now and then, as a stream may.
        data = self._file.read(count if count < 100 else max(1, count * 2 // 3))
        if self._file.tell() > self._broken_at:
            raise OSError("CRC")
        into[at : at + len(data)] = data
        return len(data)

    def Seek(self, offset: int, origin: str) -> int:
        assert origin == "Begin"
        assert offset >= 0
        return self._file.seek(offset)

    def Close(self) -> None:
        self._file.close()


@dataclass
class Text:
    """What .NET has for texts, around one."""

    value: str

    @property
    def Length(self) -> int:
        return len(self.value)

    def TrimEnd(self, character: str) -> str:
        return self.value.rstrip(character)

    def Substring(self, start: int, length: int) -> str:
        assert 0 <= start <= start + length <= len(self.value), "ArgumentOutOfRangeException"
        return self.value[start : start + length]


class Latin1:
    def GetString(self, data: bytearray, at: int, count: int) -> str:
        assert 0 <= at <= at + count <= len(data), "ArgumentOutOfRangeException"
        return data[at : at + count].decode("latin-1")


@dataclass
class Group:
    Index: int
    Length: int
    Groups: list[Group] = field(default_factory=list["Group"])


@dataclass
class Elapsed:
    TotalSeconds: float


@dataclass
class Stopwatch:
    Elapsed: Elapsed


@dataclass
class DriveInfo:
    DriveType: str


def matches(text: str, pattern: str, options: str = "") -> list[Group]:
    assert options in ("", "IgnoreCase, CultureInvariant")
    found: list[Group] = []
    for one in re.finditer(pattern, text, re.IGNORECASE if options else 0):
        groups = [Group(one.start(n), one.end(n) - one.start(n)) for n in range(one.re.groups + 1)]
        found.append(Group(one.start(), one.end() - one.start(), groups))
    return found


def _piece(form: str) -> Callable[[bytearray, int], int]:
    return lambda data, at: struct.unpack_from(form, data, at)[0]


def run(
    script: str, parameters: Mapping[str, Value], disk: Disk, *, seconds: float = 0
) -> tuple[Value, list[str]]:
    """What the fragment outputs, and the reasons it gave to Partial; every stopwatch says `seconds`."""
    machine = _Machine(disk, seconds)
    scope = Scope(values={"p": dict(parameters)})
    program = parse(script)
    assert not [node for node in program.walk() if node.broken]
    output = machine.block(program, scope)
    return (output[0] if len(output) == 1 else output), machine.partial


class _Machine:
    def __init__(self, disk: Disk, seconds: float) -> None:
        self.partial: list[str] = []
        self._functions: dict[str, Code] = {}
        self._disk = disk
        self._statics: dict[tuple[str, str], Callable[..., Value]] = {
            ("text.encoding", "getencoding"): self._encoding,
            ("convert", "frombase64string"): lambda text: bytearray(base64.b64decode(text, validate=True)),
            ("convert", "tobase64string"): lambda data, at, count: base64.b64encode(
                data[at : at + count]
            ).decode(),
            ("diagnostics.stopwatch", "startnew"): lambda: Stopwatch(Elapsed(seconds)),
            ("bitconverter", "touint16"): _piece("<H"),
            ("bitconverter", "touint32"): _piece("<I"),
            ("bitconverter", "getbytes"): lambda number: bytearray(struct.pack("<i", number)),
            ("math", "floor"): lambda number: float(math.floor(number)),
            ("math", "pow"): math.pow,
            ("math", "min"): min,
            ("io.file", "exists"): lambda path: disk.at(path) is not None,
            ("io.file", "getlastwritetimeutc"): self._written,
            ("io.path", "getfilename"): ntpath.basename,
            ("regex", "matches"): matches,
        }

    @staticmethod
    def _encoding(number: int) -> Latin1:
        assert number == 28591
        return Latin1()

    def _written(self, path: str) -> str:
        real = self._disk.at(path)
        assert real is not None
        written = datetime.fromtimestamp(real.stat().st_mtime, UTC)
        return written.isoformat(timespec="milliseconds").replace("+00:00", "Z")  # as lib.ps1 writes dates

    # --- statements ---------------------------------------------------------------------------

    def block(self, node: Code, scope: Scope) -> list[Value]:
        """All statements below this part; what they output."""
        output: list[Value] = []
        for one in node.children:
            if one.kind in ("statement_list", "script_block", "statement_block"):
                output += self.block(one, scope)
            elif one.named and one.kind not in ("comment", "empty_statement"):
                output += self.statement(one, scope)
        return output

    def statement(self, node: Code, scope: Scope) -> list[Value]:
        match node.kind:
            case "function_statement":
                name = next(one.text for one in node.children if one.kind == "function_name")
                self._functions[name.lower()] = node
                return []
            case "assignment_expression":
                self._assign(node, scope)
                return []
            case "if_statement":
                return self._if(node, scope)
            case "foreach_statement" | "for_statement" | "while_statement":
                return self._loop(node, scope)
            case "try_statement":
                return self._try(node, scope)
            case "flow_control_statement":
                self._leave(node, scope)
                return []
            case "post_increment_expression" | "post_decrement_expression":
                self._step(node, scope)
                return []
            case "cast_expression" if _type_of(node.children[0]) == "void":
                self.value(node.children[1], scope)
                return []
            case _:
                value = self.value(node, scope)
                # An array is handed on element by element, nothing as nothing.
                return [] if value is None else list(value) if type(value) is list else [value]

    def _assign(self, node: Code, scope: Scope) -> None:
        target, operator, value = node.children[0], node.children[1].text.strip(), node.children[-1]
        if operator != "=":
            raise NotImplementedError(operator)
        made = self.value(value, scope)
        if target.kind == "variable":
            scope.values[_name(target)] = made
        elif target.kind == "element_access":
            base, place = self._element(target, scope)
            if isinstance(base, bytearray):
                assert float(made).is_integer(), "no whole number"
                base[place] = int(made)
            elif isinstance(base, dict | list):
                base[place] = made
            else:
                raise NotImplementedError(f"an element of {type(base).__name__}")
        else:
            raise NotImplementedError(target.kind)

    def _step(self, node: Code, scope: Scope) -> None:
        name = _name(next(one for one in node.children if one.kind == "variable"))
        by = 1 if node.kind == "post_increment_expression" else -1
        scope.values[name] = scope.get(name) + by

    def _if(self, node: Code, scope: Scope) -> list[Value]:
        for part in (node, *(one for one in node.children if one.kind == "elseif_clause")):
            if self._true(part, scope):
                return self.block(_block_of(part), scope)
        last = node.child("else_clause")
        return [] if last is None else self.block(_block_of(last), scope)

    def _true(self, node: Code, scope: Scope) -> bool:
        """Whether what stands in its brackets holds."""
        opening = next(place for place, one in enumerate(node.children) if one.kind == "(")
        return bool(self.value(node.children[opening + 1], scope))

    def _loop(self, node: Code, scope: Scope) -> list[Value]:
        body = _block_of(node)
        output: list[Value] = []
        if node.kind == "foreach_statement":
            variable = next(one for one in node.children if one.kind == "variable")
            source = self.value(node.children[node.children.index(variable) + 2], scope)
            for one in source if isinstance(source, list) else [source]:
                scope.values[_name(variable)] = one
                if not self._once(body, scope, output):
                    break
            return output
        if node.kind == "while_statement":
            condition = node.children[node.children.index(_bracket(node)) + 1]
            while self.value(condition, scope) and self._once(body, scope, output):
                pass
            return output
        start, condition, step = (one for one in node.children if one.named and one is not body)
        self.statement(start, scope)
        while self.value(condition, scope) and self._once(body, scope, output):
            self.statement(step, scope)
        return output

    def _once(self, body: Code, scope: Scope, output: list[Value]) -> bool:
        try:
            output += self.block(body, scope)
        except BrokeError:
            return False
        except ContinuedError:
            return True
        return True

    def _try(self, node: Code, scope: Scope) -> list[Value]:
        caught, last = node.child("catch_clause"), node.child("finally_clause")
        try:
            return self.block(_block_of(node), scope)
        except OSError as error:
            if caught is None:
                raise
            scope.values["_"] = Thrown(error)
            return self.block(_block_of(caught), scope)
        finally:
            if last is not None:
                self.block(_block_of(last), scope)

    def _leave(self, node: Code, scope: Scope) -> None:
        match node.children[0].text.lower():
            case "return":
                raise ReturnedError(self.value(node.children[1], scope) if len(node.children) > 1 else None)
            case "break":
                raise BrokeError
            case "continue":
                raise ContinuedError
            case word:
                raise NotImplementedError(word)

    # --- values -------------------------------------------------------------------------------

    def value(self, node: Code, scope: Scope) -> Value:
        match node.kind:
            case "decimal_integer_literal" | "hexadecimal_integer_literal":
                return int(node.text, 0)
            case "verbatim_string_characters":
                return node.text[1:-1].replace("''", "'")
            case "variable":
                name = _name(node)
                return (
                    {"null": None, "true": True, "false": False}[name]
                    if name in _CONSTANTS
                    else scope.get(name)
                )
            case "parenthesized_expression":
                return self._single(node.children[1], scope)
            case "array_expression":
                return self.block(node, scope)
            case "array_literal_expression":
                return [self.value(one, scope) for one in node.children if one.kind != ","]
            case "hash_literal_expression":
                return {
                    entry.children[0].text.strip("'"): self.value(entry.children[2], scope)
                    for entry in node.walk()
                    if entry.kind == "hash_entry"
                }
            case "element_access":
                base, place = self._element(node, scope)
                return base[place]
            case "member_access":
                return self._member(self.value(node.children[0], scope), node.children[2].text)
            case "invokation_expression":
                return self._invoke(node, scope)
            case "cast_expression":
                return _cast(_type_of(node.children[0]), self.value(node.children[1], scope))
            case "expression_with_unary_operator":
                assert node.children[0].text == "-not", node.text
                return not self.value(node.children[1], scope)
            case "command":
                return self._command(node, scope)
            case _ if len(node.children) >= 3 and node.kind in _BINARY:
                return self._binary(node, scope)
            case _:
                raise NotImplementedError(f"{node.kind}: {node.text[:60]}")

    def _single(self, node: Code, scope: Scope) -> Value:
        return self._command(node, scope) if node.kind == "command" else self.value(node, scope)

    def _element(self, node: Code, scope: Scope) -> tuple[Value, Value]:
        base, place = self.value(node.children[0], scope), self.value(node.children[2], scope)
        if not isinstance(base, dict):
            assert isinstance(place, int), f"no place: {place!r}"
            assert 0 <= place < len(base), f"IndexOutOfRangeException: {node.text}"
        return base, place

    def _member(self, base: Value, name: str) -> Value:
        if isinstance(base, dict):
            return base[name.lower()]
        if isinstance(base, bytearray) and name == "Length":
            return len(base)
        return getattr(Text(base) if isinstance(base, str) else base, name)

    def _invoke(self, node: Code, scope: Scope) -> Value:
        target, sign, member = node.children[0], node.children[1].text, node.children[2].text
        given = [self.value(one, scope) for one in _arguments(node.children[3])]
        if sign == "::":
            return self._statics[(_type_of(target), member.lower())](*given)
        base = self.value(target, scope)
        return getattr(Text(base) if isinstance(base, str) else base, member)(*given)

    def _command(self, node: Code, scope: Scope) -> Value:
        name = node.children[0].text.lower()
        elements = node.child("command_elements")
        given = [one for one in elements.children if one.kind != "comment"] if elements else []
        if name == "new-object":
            return self._made(given, scope)
        if name == "start-sleep":
            assert given[0].text == "-Seconds"
            self._disk.sleeping()
            return None
        values = [self.value(one, scope) for one in given]
        if name == "partial":
            self.partial.append(*values)
            return None
        if name == "qualityof":
            return "denied" if isinstance(values[0], PermissionError) else "bad_output"
        return self._call(self._functions[name], values, scope)

    def _made(self, given: Sequence[Code], scope: Scope) -> Value:
        made = given[0].text.lower().removeprefix("system.")
        brackets = given[1].children[1:-1] if len(given) > 1 else []
        if brackets and brackets[0].kind == "argument_expression_list":
            brackets = brackets[0].children
        values = [self.value(one, scope) for one in brackets if one.kind != ","]
        match made:
            case "collections.arraylist":
                return ArrayList()
            case "io.filestream":
                return FileStream(self._disk, *values)
            case "io.driveinfo":
                return DriveInfo("Network" if values[0] in self._disk.network else "Fixed")
            case _:
                raise NotImplementedError(made)

    def _call(self, function: Code, values: Sequence[Value], scope: Scope) -> Value:
        own = Scope(scope)
        parameters = [one for one in function.walk() if one.kind == "script_parameter"]
        assert len(values) == len(parameters), function.text[:40]
        for parameter, value in zip(parameters, values, strict=True):
            variable = next(one for one in parameter.children if one.kind == "variable")
            kind = parameter.child("type_literal")
            own.values[_name(variable)] = _cast(_type_of(kind), value) if kind is not None else value
        body = next(one for one in function.children if one.kind == "script_block")
        try:
            output = self.block(body, own)
        except ReturnedError as returned:
            return returned.value
        assert not output, f"{function.text[:40]} outputs {output}"
        return None

    def _binary(self, node: Code, scope: Scope) -> Value:
        left = self.value(node.children[0], scope)
        for operator, operand in zip(node.children[1::2], node.children[2::2], strict=True):
            sign = operator.text.strip().lower()
            if sign == "-and" and not left:
                left = False
            elif sign == "-or" and left:
                left = True
            else:
                left = _OPERATORS[sign](left, self.value(operand, scope))
        return left


_CONSTANTS: Mapping[str, Value] = {"null": None, "true": True, "false": False}
_BINARY = frozenset(
    f"{kind}{argument}_expression"
    for kind in ("logical", "bitwise", "comparison", "additive", "multiplicative")
    for argument in ("", "_argument")
)


def _times(left: Value, right: Value) -> Value:
    return left * right if not isinstance(left, str) else NotImplemented


def _divided(left: Value, right: Value) -> Value:
    whole = isinstance(left, int) and isinstance(right, int) and left % right == 0
    return left // right if whole else left / right


def _same(left: Value, right: Value) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    assert isinstance(left, str) == isinstance(right, str), f"{left!r} with {right!r}"
    return left == right


_OPERATORS: Mapping[str, Callable[[Value, Value], Value]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": _times,
    "/": _divided,
    "%": lambda left, right: left % right,
    "-band": lambda left, right: left & right,
    "-bxor": lambda left, right: left ^ right,
    "-eq": _same,
    "-ne": lambda left, right: not _same(left, right),
    "-lt": lambda left, right: left < right,
    "-le": lambda left, right: left <= right,
    "-gt": lambda left, right: left > right,
    "-ge": lambda left, right: left >= right,
    "-and": lambda left, right: bool(right),
    "-or": lambda left, right: bool(right),
    "-cne": lambda left, right: left != right,
    "-ccontains": lambda left, right: right in left,
    "-clike": lambda left, right: fnmatch.fnmatchcase(left, right),
    "-match": lambda left, right: re.search(right, left, re.IGNORECASE) is not None,
    "-notmatch": lambda left, right: re.search(right, left, re.IGNORECASE) is None,
    "-cnotmatch": lambda left, right: re.search(right, left) is None,
    "-replace": lambda left, right: re.sub(right[0], right[1], left, flags=re.IGNORECASE),
}


def _cast(kind: str, value: Value) -> Value:
    match kind:
        case "byte[]":
            return value if isinstance(value, bytearray) else bytearray(value)
        case "int" | "long":
            return round(value)
        case "double":
            return float(value)
        case "char":
            return chr(value)
        case "string":
            return "" if value is None else str(value)
        case _:
            raise NotImplementedError(kind)


def _name(variable: Code) -> str:
    return variable.text[1:].lower()


def _type_of(literal: Code) -> str:
    return literal.text.strip()[1:-1].replace(" ", "").lower().removeprefix("system.")


def _bracket(node: Code) -> Code:
    return next(one for one in node.children if one.kind == "(")


def _block_of(node: Code) -> Code:
    return next(one for one in node.children if one.kind == "statement_block")


def _arguments(node: Code) -> list[Code]:
    inner = [one for one in node.children if one.kind not in ("(", ")")]
    if len(inner) == 1 and inner[0].kind == "argument_expression_list":
        inner = inner[0].children
    return [one for one in inner if one.kind != ","]
