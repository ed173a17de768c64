"""Remote procedure calls that carry statements: sp_executesql, sp_prepare and so on ([MS-TDS] 2.2.6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .packets import NotTds
from .parameters import Parameter, Reader

_BY_NUMBER = 0xFFFF
_NUMBERS: Mapping[int, str] = {
    1: "sp_cursor",
    2: "sp_cursoropen",
    3: "sp_cursorprepare",
    4: "sp_cursorexecute",
    5: "sp_cursorprepexec",
    6: "sp_cursorunprepare",
    7: "sp_cursorfetch",
    8: "sp_cursoroption",
    9: "sp_cursorclose",
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}


@dataclass(frozen=True)
class Call:
    procedure: str  # as sent: "sp_executesql", "master..sp_datatype_info"
    parameters: tuple[Parameter, ...]

    @property
    def values(self) -> tuple[object, ...]:
        return tuple(parameter.value for parameter in self.parameters)

    @property
    def name(self) -> str:
        """Without database and schema, in lower case."""
        return self.procedure.rsplit(".", 1)[-1].strip("[]").lower()

    def __str__(self) -> str:
        """As it would be written in T-SQL."""
        return f"EXEC {self.procedure} {', '.join(map(repr, self.values))}".rstrip()


def parse(data: bytes) -> Call:
    """`data` is what follows the headers of the message."""
    reader = Reader(data)
    length = reader.number("<H")
    if length == _BY_NUMBER:
        number = reader.number("<H")
        if number not in _NUMBERS:
            raise NotTds(f"a call of procedure {number}")
        name = _NUMBERS[number]
    else:
        name = reader.text(length)
    reader.number("<H")  # options: recompile, no metadata
    parameters: list[Parameter] = []
    while reader.more:
        parameters.append(reader.parameter())
    return Call(name, tuple(parameters))


class Prepared:
    """The statements that a session has prepared, by handle."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._next = 1

    def add(self, text: str) -> int:
        handle = self._next
        self._next += 1
        self._texts[handle] = text
        return handle

    def get(self, handle: object) -> str | None:
        return self._texts.get(handle) if isinstance(handle, int) else None

    def remove(self, handle: object) -> bool:
        return isinstance(handle, int) and self._texts.pop(handle, None) is not None
