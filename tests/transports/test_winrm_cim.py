"""Management classes without a shell: rows as texts, and what may go wrong with one query only."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.api import ErrorClass, WmiQuery
from checkup.transports import Deadlines, TransportError
from checkup.transports import winrm_cim as cim
from tests.servers.winrm import Page, Trouble, WinrmServer
from tests.transports.winrm_sessions import ACCOUNTS, Machine, error_of, run, session_at

DISKS = WmiQuery("Win32_LogicalDisk", ("DeviceID", "Size", "VolumeName"), where="DriveType = 3")
SYSTEM = WmiQuery(
    "Win32_OperatingSystem", ("Caption", "LastBootUpTime", "MUILanguages", "PortableOperatingSystem")
)

INSTANCES: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("root\\cimv2", "Win32_LogicalDisk"): [
        {"DeviceID": "C:", "Size": 511_000_000_000, "VolumeName": "", "DriveType": 3},
        {"DeviceID": "D:", "Size": None, "VolumeName": "Bilder & Ähnliches", "DriveType": 3},
        {"DeviceID": "E:", "Size": 1, "VolumeName": "CD", "DriveType": 5},
    ],
    ("root\\cimv2", "Win32_OperatingSystem"): [
        {
            "Caption": "Windows",
            "LastBootUpTime": "20261120103000.500000-420",
            "MUILanguages": ["en-US", "de-DE"],
            "PortableOperatingSystem": False,
        }
    ],
    ("root\\Microsoft\\Windows\\Storage", "MSFT_Disk"): [{"Number": 0}],
    ("root\\cimv2", "Win32_Service"): [{"Name": f"service-{n}", "PathName": "x" * 900} for n in range(450)],
    ("root\\cimv2", "Win32_GroupUser"): [
        {
            "PartComponent": {
                "ReferenceParameters": {
                    "ResourceURI": "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_Account"
                }
            }
        }
    ],
}


def server_of(**more: Any) -> WinrmServer:
    return WinrmServer(Machine(instances=INSTANCES), ACCOUNTS, **more)


def test_rows_are_texts_and_nothing_is_left_out() -> None:
    with server_of() as server, session_at(server) as session:
        assert session.query(DISKS, 10) == [
            {"DeviceID": "C:", "Size": "511000000000", "VolumeName": ""},
            {"DeviceID": "D:", "Size": None, "VolumeName": "Bilder & Ähnliches"},
        ]
        assert server.cim.queries == [
            "SELECT DeviceID, Size, VolumeName FROM Win32_LogicalDisk WHERE DriveType = 3"
        ]
        assert server.actions[4:] == ["Enumerate"]


def test_dates_lists_and_truth_are_texts_too() -> None:
    with server_of() as server, session_at(server) as session:
        assert session.query(SYSTEM, 10) == [
            {
                "Caption": "Windows",
                "LastBootUpTime": "20261120103000.500000-420",
                "MUILanguages": ["en-US", "de-DE"],
                "PortableOperatingSystem": "false",
            }
        ]


def test_another_namespace() -> None:
    query = WmiQuery("MSFT_Disk", ("Number",), namespace="root\\Microsoft\\Windows\\Storage")
    with server_of() as server, session_at(server) as session:
        assert session.query(query, 10) == [{"Number": "0"}]


def test_many_rows_come_in_several_answers() -> None:
    query = WmiQuery("Win32_Service", ("Name", "PathName"))
    with server_of() as server, session_at(server) as session:
        rows = session.query(query, 10)
        assert [row["Name"] for row in rows] == [f"service-{n}" for n in range(450)]
        assert server.actions.count("Pull") >= 2
        assert server.cim.open_enumerations == 0


@pytest.mark.parametrize("windows", ["2008 R2", "2022"])
def test_a_property_that_an_older_windows_lacks_is_null(windows: Any) -> None:
    query = WmiQuery("Win32_LogicalDisk", ("DeviceID", "SerialNumber"), where="DeviceID = 'C:'")
    with server_of(windows=windows) as server, session_at(server) as session:
        assert session.query(query, 10) == [{"DeviceID": "C:", "SerialNumber": None}]


@pytest.mark.parametrize("windows", ["2008 R2", "2022"])
@pytest.mark.parametrize(
    "query", [WmiQuery("Win32_Nothing", ("Name",)), WmiQuery("Win32_Service", ("Name",), namespace="root\\x")]
)
def test_what_this_windows_does_not_have_is_unsupported(windows: Any, query: WmiQuery) -> None:
    with server_of(windows=windows) as server, session_at(server) as session:
        error_of(lambda: session.query(query, 10), ErrorClass.UNSUPPORTED, query.wmi_class)
        assert session.query(DISKS, 10)  # the next one may be there


@pytest.mark.parametrize("windows", ["2008 R2", "2022"])
def test_what_the_account_may_not_read_is_denied(windows: Any) -> None:
    denied = ("root\\cimv2",)
    with server_of(windows=windows, denied_namespaces=denied) as server, session_at(server) as session:
        error_of(lambda: session.query(DISKS, 10), ErrorClass.DENIED, "Remote Enable on root\\cimv2")


def test_queries_beside_a_batch_use_the_same_connection() -> None:
    with server_of(remote_shells="denied") as server:
        with session_at(server) as session:
            error_of(lambda: run(session), ErrorClass.DENIED)
            assert session.query(DISKS, 10)
            assert session.query(SYSTEM, 10)
        assert server.logins == [("checkup", True)]
    with server_of() as server:
        with session_at(server) as session:
            assert run(session) == b"done\n"
            assert session.query(DISKS, 10)
        assert server.shells == {}


def test_a_query_ends_in_time_and_leaves_no_shell() -> None:
    with server_of() as server:
        server.trouble.append(Trouble(action="Enumerate", silent=True))
        with session_at(server) as session:
            error_of(lambda: session.query(DISKS, 0.3), ErrorClass.TIMEOUT)
            assert server.shells == {}
            assert session.query(DISKS, 10)


def test_rows_without_end_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cim, "MOST_ROWS", 100)
    with server_of() as server, session_at(server) as session:
        query = WmiQuery("Win32_Service", ("Name", "PathName"))
        error_of(lambda: session.query(query, 10), ErrorClass.BAD_OUTPUT, "without end")
        assert server.cim.open_enumerations == 0


def test_a_connection_that_breaks_in_a_query() -> None:
    with server_of() as server:
        server.trouble.append(Trouble(action="Enumerate", drop_after=300))
        with session_at(server) as session:
            error_of(lambda: session.query(DISKS, 10), ErrorClass.DROPPED)


ANSWER = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><s:Body>%s</s:Body></s:Envelope>'
)


def answered(body: str, properties: tuple[str, ...] = ("A",)) -> Any:
    """The rows, where every answer is this."""

    def ask(work: object, doing: str) -> bytes:
        return (ANSWER % body).encode()

    return cim.rows(WmiQuery("Win32_Test", properties), ask, "ws-3")


def row(inner: str) -> str:
    return f"<n:EnumerateResponse><n:Items><x>{inner}</x></n:Items><n:EndOfSequence/></n:EnumerateResponse>"


@pytest.mark.parametrize(
    ("inner", "value"),
    [
        ("", None),
        ("<A/>", ""),
        ("<a>other case</a>", "other case"),
        ('<A xsi:nil="true"/>', None),
        ("<A>1</A><A>2</A>", ["1", "2"]),
        ('<A>1</A><A xsi:nil="true"/>', ["1"]),
        ("<A><Datetime>2026-11-20T10:30:00Z</Datetime></A>", "20261120103000.000000+000"),
        ("<A><Interval>P1DT2H3M4.5S</Interval></A>", "00000001020304.500000:000"),
        ("<A><Datetime>soon</Datetime></A>", "soon"),
        (
            "<A><Address>role</Address><ReferenceParameters><ResourceURI>http://schemas.microsoft.com/wbem/wsman/1/wmi/"
            'root/cimv2/Win32_Account</ResourceURI><SelectorSet><Selector Name="Domain">WS-3</Selector>'
            '<Selector Name="Name">anna</Selector></SelectorSet></ReferenceParameters></A>',
            'root\\cimv2:Win32_Account.Domain="WS-3",Name="anna"',
        ),
        ("<A><B>one</B><C>two</C></A>", "onetwo"),
    ],
)
def test_values(inner: str, value: object) -> None:
    assert answered(row(inner)) == [{"A": value}]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2026-11-20T10:30:00.1234567-07:00", "20261120103000.123456-420"),
        ("2026-11-20T10:30:00+05:30", "20261120103000.000000+330"),
        ("2026-11-20T10:30:00-00:00", "20261120103000.000000+000"),
        ("2026-11-20T10:30:00", "20261120103000.000000+000"),
        ("20261120103000.000000-420", "20261120103000.000000-420"),
        ("2026-11-20", "2026-11-20"),
    ],
)
def test_dates(text: str, date: str) -> None:
    assert cim.cim_date(text) == date


def test_an_answer_to_something_else_is_no_answer() -> None:
    with pytest.raises(TransportError, match="another answer"):
        answered("<n:PullResponse/>")


def test_answers_that_hold_nothing_do_not_go_on_for_ever() -> None:
    nothing = "<n:%sResponse><n:EnumerationContext>1</n:EnumerationContext></n:%sResponse>"
    with pytest.raises(TransportError, match="without end"):
        answered(nothing % ("Enumerate", "Enumerate") + nothing % ("Pull", "Pull"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="<&\r"), max_size=40))
def test_any_text_of_a_value_is_kept(text: str) -> None:
    if all(character.isprintable() or character in "\n\t" for character in text):
        assert answered(row(f"<A>{text}</A>")) == [{"A": text}]


def test_a_page_in_place_of_rows() -> None:
    with server_of(tls="valid") as server:
        server.trouble.append(Trouble(action="Enumerate", page=Page(200, "<html></html>")))
        with session_at(server, auth="basic", deadlines=Deadlines()) as session:
            error_of(lambda: session.query(DISKS, 10), ErrorClass.PROTOCOL, "")
