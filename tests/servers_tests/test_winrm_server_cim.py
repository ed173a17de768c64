"""Management classes over the WinRM server of the tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from winrm.exceptions import WSManFaultError
from winrm_client import ACCOUNTS, client, enumerate_class, fragments, pull, query, release

from tests.servers.winrm import Output, WinrmServer

NAMESPACES = {
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_LogicalDisk",
    "cim": "http://schemas.dmtf.org/wbem/wscim/1/common",
}
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
DISKS = [
    {"DeviceID": "C:", "DriveType": 3, "Size": 2**63 + 1, "VolumeName": "Größe & <Ort>", "Compressed": False},
    {"DeviceID": "D:", "DriveType": 5, "Size": None, "VolumeName": None, "Compressed": None},
    {"DeviceID": "E:", "DriveType": 3, "Size": 0, "VolumeName": "", "Compressed": True},
]


SYSTEM = {
    "LastBootUpTime": "20261120103000.500000-420",
    "InstallDate": "20240101000000.000000+000",
    "MUILanguages": ["en-US", "de-DE"],
    "Empty": [],
}
SERVICES = [{"Name": f"service {number}", "PathName": "x" * 1000} for number in range(300)]


@dataclass
class Managed:
    """A machine that has management classes, and programs that say nothing."""

    instances: dict[tuple[str, str], list[dict[str, Any]]] = field(
        default_factory=lambda: {
            ("root\\cimv2", "Win32_LogicalDisk"): DISKS,
            ("root\\cimv2", "Win32_OperatingSystem"): [SYSTEM],
            ("root\\cimv2", "Win32_Service"): SERVICES,
            ("root\\Microsoft\\Windows\\Storage", "MSFT_PhysicalDisk"): [],
        }
    )

    def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
        yield Output()


@pytest.fixture
def server() -> Iterator[WinrmServer]:
    with WinrmServer(Managed(), ACCOUNTS) as running:
        yield running


def names(server: WinrmServer, where: str) -> str:
    wql = f"SELECT DeviceID FROM Win32_LogicalDisk WHERE {where}"
    return "".join(each.findtext("DeviceID", "") for each in fragments(query(client(server, "basic"), wql)))


def test_a_class_answers_in_its_own_namespace(server: WinrmServer) -> None:
    answer = enumerate_class(client(server), "Win32_LogicalDisk")
    rows = answer.findall(".//w:Items/p:Win32_LogicalDisk", NAMESPACES)
    assert [row.findtext("p:DeviceID", None, NAMESPACES) for row in rows] == ["C:", "D:", "E:"]
    first, second, third = rows
    assert first.findtext("p:VolumeName", None, NAMESPACES) == "Größe & <Ort>"
    assert first.findtext("p:Size", None, NAMESPACES) == "9223372036854775809"
    assert first.findtext("p:Compressed", None, NAMESPACES) == "false"
    nothing = second.find("p:VolumeName", NAMESPACES)
    assert nothing is not None and nothing.get(NIL) == "true"
    empty = third.find("p:VolumeName", NAMESPACES)
    assert empty is not None and empty.get(NIL) is None and not empty.text
    assert answer.find(".//w:EndOfSequence", NAMESPACES) is not None
    assert answer.findtext(".//n:EnumerationContext", None, NAMESPACES) == ""
    assert server.cim.queries == ["SELECT * FROM Win32_LogicalDisk"]
    assert server.shells == {}


def test_a_projection_answers_in_fragments_without_a_namespace(server: WinrmServer) -> None:
    answer = query(client(server), "SELECT DeviceID, Size FROM Win32_LogicalDisk WHERE DriveType = 3")
    rows = fragments(answer)
    assert [[(each.tag, each.text) for each in row] for row in rows] == [
        [("DeviceID", "C:"), ("Size", "9223372036854775809")],
        [("DeviceID", "E:"), ("Size", "0")],
    ]


def test_dates_are_iso_within_an_element_of_their_own_and_arrays_repeat(server: WinrmServer) -> None:
    protocol = client(server)
    wql = "SELECT LastBootUpTime, InstallDate, MUILanguages, Empty FROM Win32_OperatingSystem"
    (row,) = fragments(query(protocol, wql))
    assert row.findtext("LastBootUpTime/Datetime") == "2026-11-20T10:30:00.5-07:00"
    assert row.findtext("InstallDate/Datetime") == "2024-01-01T00:00:00Z"
    assert [each.text for each in row.findall("MUILanguages")] == ["en-US", "de-DE"]
    assert row.find("Empty") is None
    whole = query(protocol, "SELECT * FROM Win32_OperatingSystem")
    assert whole.findtext(".//cim:Datetime", None, NAMESPACES) == "2026-11-20T10:30:00.5-07:00"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("DriveType = 3", "C:E:"),
        ("DriveType <> 3", "D:"),
        ("DriveType >= 5 OR DeviceID = 'e:'", "D:E:"),
        ("DriveType = 3 AND Compressed = TRUE", "E:"),
        ("Size IS NULL", "D:"),
        ("Size IS NOT NULL AND Size > 0", "C:"),
        ('VolumeName LIKE "gr%"', "C:"),
        ("DeviceID LIKE '_:'", "C:D:E:"),
    ],
)
def test_conditions(server: WinrmServer, where: str, found: str) -> None:
    assert names(server, where) == found


def test_many_rows_come_in_as_many_answers_as_the_envelope_needs(server: WinrmServer) -> None:
    protocol = client(server)
    answer = query(protocol, "SELECT Name, PathName FROM Win32_Service", most=1000)
    rows, answers = fragments(answer), 1
    while answer.find(".//n:EndOfSequence", NAMESPACES) is None:
        context = answer.findtext(".//n:EnumerationContext", "", NAMESPACES)
        answer = pull(protocol, context, most=1000)
        rows, answers = rows + fragments(answer), answers + 1
    assert [row.findtext("Name") for row in rows] == [f"service {n}" for n in range(300)]
    assert answers == 3
    assert all(request.answered <= 153600 for request in server.requests)
    assert server.cim.open_enumerations == 0


def test_a_pull_asks_for_what_its_enumerate_asked_for_until_the_end_or_a_release(server: WinrmServer) -> None:
    protocol = client(server)
    answer = query(protocol, "SELECT Name FROM Win32_Service", most=10)
    context = answer.findtext(".//n:EnumerationContext", "", NAMESPACES)
    with pytest.raises(WSManFaultError) as caught:
        pull(protocol, context, most=20)
    assert caught.value.wsman_fault_code == 2150859181
    assert len(fragments(pull(protocol, context, most=10))) == 10
    release(protocol, context)
    with pytest.raises(WSManFaultError) as caught:
        pull(protocol, context, most=10)
    assert caught.value.fault_subcode == "n:InvalidEnumerationContext"


@pytest.mark.parametrize(
    ("wql", "namespace", "code"),
    [
        ("SELECT Name FROM Win32_Nothing", "root/cimv2", 0x80041010),
        ("SELECT Name FROM MSFT_PhysicalDisk", "root/nothing", 0x8004100E),
        ("SELECT Missing FROM Win32_LogicalDisk", "root/cimv2", 0x80041017),
        ("DELETE FROM Win32_LogicalDisk", "root/cimv2", 0x80041017),
        ("SELECT DeviceID FROM Win32_LogicalDisk WHERE", "root/cimv2", 0x80041017),
        ("SELECT DeviceId FROM MSFT_PhysicalDisk", "root/Microsoft/Windows/Storage", None),
        ("SELECT DeviceId FROM MSFT_PhysicalDisk", "root/microsoft/windows/storage", None),
    ],
)
def test_what_is_not_there_is_an_error_of_wmi(
    server: WinrmServer, wql: str, namespace: str, code: int | None
) -> None:
    protocol = client(server)
    if code is None:
        assert fragments(query(protocol, wql, namespace=namespace)) == []
        return
    with pytest.raises(WSManFaultError) as caught:
        query(protocol, wql, namespace=namespace)
    assert (caught.value.wmierror_code, caught.value.wsman_fault_code) == (code, None)


@pytest.mark.parametrize(
    ("windows", "denied", "missing"),
    [("2008 R2", (2150859012, None), (2150858778, None)), ("2022", (None, 0x80041003), (None, 0x80041010))],
)
def test_each_windows_has_its_own_faults_for_the_same(
    windows: Literal["2008 R2", "2022"], denied: tuple[Any, Any], missing: tuple[Any, Any]
) -> None:
    storage = "root/Microsoft/Windows/Storage"
    with WinrmServer(Managed(), ACCOUNTS, windows=windows, denied_namespaces=[storage]) as server:
        protocol = client(server)
        with pytest.raises(WSManFaultError) as caught:
            query(protocol, "SELECT A FROM MSFT_PhysicalDisk", namespace=storage)
        assert (caught.value.wsman_fault_code, caught.value.wmierror_code) == denied
        with pytest.raises(WSManFaultError) as caught:
            query(protocol, "SELECT A FROM Win32_Nothing")
        assert (caught.value.wsman_fault_code, caught.value.wmierror_code) == missing


def test_classes_are_read_where_shells_are_refused() -> None:
    with WinrmServer(Managed(), ACCOUNTS, remote_shells="denied") as server:
        protocol = client(server)
        with pytest.raises(WSManFaultError):
            protocol.open_shell()
        assert len(fragments(query(protocol, "SELECT DeviceID FROM Win32_LogicalDisk"))) == 3
