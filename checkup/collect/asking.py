"""A Windows machine without a shell for us: its management classes, asked one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from checkup.api import JSON, ErrorClass, WmiQuery
from checkup.clean import clean_line
from checkup.plan import EndpointPlan, PlannedSection
from checkup.transports.session import QuerySession, TransportError

_SYSTEM = WmiQuery(
    "Win32_OperatingSystem", ("CSName", "Version", "BuildNumber", "ProductType", "LocalDateTime")
)
_PRODUCT = WmiQuery("Win32_ComputerSystemProduct", ("UUID",))
_KINDS = {"1": "client", "2": "domain-controller", "3": "server"}


def ask(session: QuerySession, query: WmiQuery, timeout_s: float) -> list[JSON] | None:
    """The rows of a query; None where it is optional and this Windows has no such class."""
    try:
        return list(session.query(query, timeout_s))
    except TransportError as error:
        if query.optional and error.error is ErrorClass.UNSUPPORTED:
            return None
        raise


def queries_text(sections: Iterable[PlannedSection]) -> str:
    """What the ledger keeps: every query, with its namespace."""
    queries = [*hello_queries(), *(query for section in sections for query in section.queries)]
    return "".join(f"{query.namespace}: {query.wql}\n" for query in queries)


def hello_queries() -> tuple[WmiQuery, WmiQuery]:
    return _SYSTEM, _PRODUCT


def hello_rows(answers: Sequence[list[JSON] | None], plan: EndpointPlan) -> Mapping[str, str]:
    """What a batch's HELLO would have said, of the answers to `hello_queries`."""
    system, product = _first(answers[0]), _first(answers[1])
    uuid = product.get("UUID", "").lower()
    return {
        "platform": "windows",
        "way": "cim",
        "site": plan.site,
        "endpoint": plan.endpoint,
        "hostname": system.get("CSName", ""),
        "kernel": f"Windows {system.get('Version', '')}",
        "os_id": _KINDS.get(system.get("ProductType", ""), ""),
        "os_version": system.get("BuildNumber", ""),
        "identity": f"smbios-uuid:{uuid}" if uuid else "",
        "utc": _utc(system.get("LocalDateTime", "")),
    }


def _first(rows: list[JSON] | None) -> Mapping[str, str]:
    row = rows[0] if rows else None
    if not isinstance(row, dict):
        return {}
    return {key: clean_line(str(value)) for key, value in row.items() if value is not None}


def _utc(text: str) -> str:
    """Seconds since 1970 of a CIM date (DSP0004, 5.2.4): yyyymmddHHMMSS.ffffff and minutes from UTC."""
    try:
        local = datetime.strptime(text[:21], "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)
        return f"{(local - timedelta(minutes=int(text[21:]))).timestamp():.3f}"
    except ValueError:
        return ""
