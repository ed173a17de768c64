"""CIM over WS-Management (DSP0226, DSP0227): Enumerate and Pull with WQL, as Windows' WMI plug-in answers."""

from __future__ import annotations

import fnmatch
import operator
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from . import faults
from .faults import Refused
from .soap import ENUMERATION, PREFIXES, Message, new_id

RESOURCE = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
_COMMON = "http://schemas.dmtf.org/wbem/wscim/1/common"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_ENVELOPE_OVERHEAD_BYTES = 2048

Row = Mapping[str, Any]
Instances = Mapping[tuple[str, str], Sequence[Row]]
"""(namespace, class) -> rows of nulls, booleans, numbers, texts (dates as CIM writes them) and arrays."""

_SELECT = re.compile(
    r"\s*SELECT\s+(?P<properties>\*|\w+(?:\s*,\s*\w+)*)\s+FROM\s+(?P<wmi_class>\w+)(?:\s+WHERE\s+(?P<where>.+?))?\s*",
    re.IGNORECASE | re.DOTALL,
)
_TERM = re.compile(
    r"\s*(?P<property>\w+)\s*(?:(?P<null>IS\s+(?:NOT\s+)?NULL)"
    r"|(?P<operator><>|!=|<=|>=|=|<|>|LIKE\b)\s*(?P<value>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|-?\d+(?:\.\d+)?|TRUE|FALSE))\s*",
    re.IGNORECASE,
)
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.(\d{6})([+-])(\d{3})")
_INTERVAL = re.compile(r"(\d{8})(\d\d)(\d\d)(\d\d)\.(\d{6}):000")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Query:
    wmi_class: str
    properties: tuple[str, ...]  # none: all
    where: str = ""


@dataclass
class _Enumeration:
    items: list[str]
    most_items: int | None  # what the Enumerate asked for; a Pull must ask for the same
    most_bytes: int


class Cim:
    """The management classes of a machine."""

    def __init__(self, instances: Callable[[], Instances], *, denied: Collection[str], old: bool) -> None:
        self._instances = instances
        self._denied = {_namespace(name) for name in denied}
        self._old = old
        self._open: dict[str, _Enumeration] = {}
        self._lock = threading.Lock()
        self.queries: list[str] = []

    @property
    def open_enumerations(self) -> int:
        return len(self._open)

    def answer(self, message: Message) -> tuple[str, str]:
        """The action and body of the answer. Raises Refused."""
        operations = {"Enumerate": self._enumerate, "Pull": self._pull, "Release": self._release}
        operation = operations.get(message.operation)
        if operation is None or message.action != f"{ENUMERATION}/{message.operation}":
            raise Refused(faults.ACTION_NOT_SUPPORTED)
        return f"{message.action}Response", operation(message)

    def _enumerate(self, message: Message) -> str:
        asked = message.body.find("n:Enumerate", PREFIXES)
        if asked is None:
            raise Refused(faults.INVALID_BODY)
        namespace, wmi_class = _resource(message.resource_uri)
        words = asked.find("w:Filter", PREFIXES)
        if words is not None and words.get("Dialect") != WQL:
            raise Refused(faults.INVALID_DIALECT)
        if (words is None) == (wmi_class == "*"):
            raise Refused(faults.INVALID_RESOURCE)
        self.queries.append(f"SELECT * FROM {wmi_class}" if words is None else words.text or "")
        query = Query(wmi_class, ()) if words is None else self._parse(words.text or "")
        items = [_item(namespace, query, row) for row in self._select(namespace, query)]
        most_items = asked.findtext("w:MaxElements", "", PREFIXES)
        enumeration = _Enumeration(items, int(most_items) if most_items else None, message.most_bytes)
        if asked.find("w:OptimizeEnumeration", PREFIXES) is None:
            return f"<n:EnumerateResponse>{self._context(self._keep(enumeration))}</n:EnumerateResponse>"
        batch = _batch(enumeration, enumeration.most_items or 1)
        context = self._context(self._keep(enumeration) if enumeration.items else "")
        end = "" if enumeration.items else "<w:EndOfSequence/>"
        return f"<n:EnumerateResponse>{context}<w:Items>{batch}</w:Items>{end}</n:EnumerateResponse>"

    def _pull(self, message: Message) -> str:
        asked = message.body.find("n:Pull", PREFIXES)
        if asked is None:
            raise Refused(faults.INVALID_BODY)
        context = asked.findtext("n:EnumerationContext", "", PREFIXES)
        with self._lock:
            enumeration = self._open.get(context)
        if enumeration is None:
            raise Refused(faults.INVALID_CONTEXT)
        most_items = int(asked.findtext("n:MaxElements", "1", PREFIXES))
        if enumeration.most_items not in (None, most_items) or enumeration.most_bytes != message.most_bytes:
            raise Refused(faults.OTHER_PULL)
        batch = _batch(enumeration, most_items)
        if enumeration.items:
            return f"<n:PullResponse>{self._context(context)}<n:Items>{batch}</n:Items></n:PullResponse>"
        with self._lock:
            del self._open[context]
        return f"<n:PullResponse><n:Items>{batch}</n:Items><n:EndOfSequence/></n:PullResponse>"

    def _release(self, message: Message) -> str:
        context = message.body.findtext("n:Release/n:EnumerationContext", "", PREFIXES)
        with self._lock:
            if self._open.pop(context, None) is None:
                raise Refused(faults.INVALID_CONTEXT)
        return ""

    def _keep(self, enumeration: _Enumeration) -> str:
        context = f"uuid:{new_id()}"
        with self._lock:
            self._open[context] = enumeration
        return context

    def _context(self, context: str) -> str:
        return f"<n:EnumerationContext>{context}</n:EnumerationContext>"

    def _parse(self, wql: str) -> Query:
        found = _SELECT.fullmatch(wql)
        if found is None:
            raise Refused(faults.invalid_query(old=self._old))
        properties = () if found["properties"] == "*" else tuple(re.split(r"\s*,\s*", found["properties"]))
        return Query(found["wmi_class"], properties, found["where"] or "")

    def _select(self, namespace: str, query: Query) -> list[dict[str, Any]]:
        if namespace in self._denied:
            raise Refused(faults.cim_denied(old=self._old))
        known = {(_namespace(where), name.lower()): rows for (where, name), rows in self._instances().items()}
        if namespace != "root/cimv2" and namespace not in {where for where, _ in known}:
            raise Refused(faults.invalid_namespace())
        rows = known.get((namespace, query.wmi_class.lower()))
        if rows is None:
            raise Refused(faults.invalid_class(old=self._old))
        names = {name.lower() for row in rows for name in row}
        asked = [name.lower() for name in query.properties]
        if rows and not names.issuperset(
            asked
        ):  # as on a Windows that has the class, but not yet this property
            raise Refused(faults.invalid_query(old=self._old))
        return [
            {name: value for name, value in row.items() if not asked or name.lower() in asked}
            for row in rows
            if not query.where or self._holds(query.where, row)
        ]

    def _holds(self, where: str, row: Row) -> bool:
        return any(
            all(self._term(term, row) for term in re.split(r"\bAND\b", either, flags=re.IGNORECASE))
            for either in re.split(r"\bOR\b", where, flags=re.IGNORECASE)
        )

    def _term(self, text: str, row: Row) -> bool:
        found = _TERM.fullmatch(text)
        values = {name.lower(): value for name, value in row.items()}
        if found is None or found["property"].lower() not in values:
            raise Refused(faults.invalid_query(old=self._old))
        value = values[found["property"].lower()]
        if found["null"]:
            return (value is None) == ("NOT" not in found["null"].upper())
        if value is None:
            return False
        wanted = _literal(found["value"])
        if isinstance(wanted, str) or isinstance(value, str):  # WMI compares texts without case
            value, wanted = str(value).lower(), str(wanted).lower()
        if found["operator"].upper() == "LIKE":
            pattern = re.sub(r"[*?]", r"[\g<0>]", str(wanted)).replace("%", "*").replace("_", "?")
            return fnmatch.fnmatchcase(str(value), pattern)
        return _COMPARE[found["operator"]](value, wanted)


def _namespace(name: str) -> str:
    return name.replace("\\", "/").lower().strip("/")


def _resource(uri: str) -> tuple[str, str]:
    path = uri.removeprefix(RESOURCE)
    namespace, _, wmi_class = path.rpartition("/")
    if path == uri or not namespace or "\\" in path:
        raise Refused(faults.INVALID_RESOURCE)
    return _namespace(namespace), wmi_class


def _literal(text: str) -> str | float | bool:
    if text.upper() in ("TRUE", "FALSE"):
        return text.upper() == "TRUE"
    if text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return float(text)


def _batch(enumeration: _Enumeration, most_items: int) -> str:
    """Takes what one answer may hold: at least one item."""
    room = enumeration.most_bytes - _ENVELOPE_OVERHEAD_BYTES
    taken: list[str] = []
    while enumeration.items and len(taken) < most_items:
        room -= len(enumeration.items[0].encode())
        if taken and room < 0:
            break
        taken.append(enumeration.items.pop(0))
    return "".join(taken)


def _item(namespace: str, query: Query, row: Row) -> str:
    """A whole object in its class's namespace; of a projection, a fragment without any."""
    if query.properties:
        inner = "".join(_property(name, "", value) for name, value in row.items())
        return f'<w:XmlFragment xmlns:xsi="{_INSTANCE}" xmlns:w="{PREFIXES["w"]}">{inner}</w:XmlFragment>'
    name = query.wmi_class
    inner = "".join(_property(name, "p:", value) for name, value in row.items())
    return (
        f'<p:{name} xmlns:xsi="{_INSTANCE}" xmlns:p="{RESOURCE}{namespace}/{name}" xmlns:cim="{_COMMON}"'
        f' xsi:type="p:{name}_Type">{inner}</p:{name}>'
    )


def _property(name: str, prefix: str, value: object) -> str:
    if isinstance(value, list | tuple):
        return "".join(_property(name, prefix, each) for each in value)  # an empty array is no element at all
    if value is None:
        return f'<{prefix}{name} xsi:nil="true"/>'
    return f"<{prefix}{name}>{_value(prefix, value)}</{prefix}{name}>"


def _value(prefix: str, value: object) -> str:
    if isinstance(value, Mapping):
        return "".join(_property(str(name), prefix, each) for name, each in value.items())
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    common = "cim:" if prefix else ""
    if found := _DATE.fullmatch(text):
        return f"<{common}Datetime>{_iso(found)}</{common}Datetime>"
    if found := _INTERVAL.fullmatch(text):
        days, hours, minutes, seconds, micro = found.groups()
        return f"<{common}Interval>P{int(days)}DT{hours}H{minutes}M{seconds}.{micro}S</{common}Interval>"
    return escape(text)


def _iso(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second, micro, sign, offset = found.groups()
    fraction = f".{micro}".rstrip("0").rstrip(".")
    zone = "Z" if int(offset) == 0 else f"{sign}{int(offset) // 60:02}:{int(offset) % 60:02}"
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}{zone}"
