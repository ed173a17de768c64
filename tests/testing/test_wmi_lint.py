from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.api import Wmi, WmiQuery
from checkup.batch.powershell import query_fragment
from checkup.testing.powershell_lint import problems
from checkup.testing.wmi_lint import condition_problems, query_problems, wmi_problems

DISKS = WmiQuery("Win32_LogicalDisk", ("DeviceID", "Size"), where="DriveType=3")
STORAGE = "root\\Microsoft\\Windows\\Storage"


@pytest.mark.parametrize(
    "query",
    [
        DISKS,
        WmiQuery("MSFT_PhysicalDisk", ("HealthStatus",), namespace=STORAGE, optional=True),
        WmiQuery("win32_perfrawdata_perfos_system", ("ContextSwitchesPersec",)),
        WmiQuery(
            "Win32_Service",
            ("Name",),
            where="(State = 'x' AND NOT Name='y') OR Name LIKE 'z%'",
        ),
        WmiQuery("Win32_PingStatus", ("StatusCode",), where='Address="10.0.0.1" AND Timeout<>-1'),
    ],
    ids=lambda query: query.wmi_class,
)
def test_queries_that_only_read(query: WmiQuery) -> None:
    assert query_problems(query) == []
    long = "characters in one line"  # the lines of a batch may be long
    assert [one for one in problems(query_fragment([query, DISKS])) if long not in one] == []


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (WmiQuery("Win32_Product", ("Name",)), "checks and repairs"),
        (WmiQuery("Win32_Nothing", ("Name",)), "not on the list"),
        (WmiQuery("MSFT_PhysicalDisk", ("HealthStatus",)), "not on the list CLASSES of wmi_lint for root"),
        (WmiQuery("Win32_BIOS", ("Name",), namespace="root\\other"), "namespace root\\other"),
        (WmiQuery("Win32_BIOS", ()), "name the properties"),
        (WmiQuery("Win32_BIOS", ("*",)), "'*' is no plain name"),
        (WmiQuery("Win32_BIOS", ("Name FROM Win32_Product",)), "no plain name"),
        (WmiQuery("Win32_BIOS", ("Name", "Name")), "named twice"),
        (WmiQuery("CIM_DataFile", ("Name",)), "without a condition"),
        (WmiQuery("Win32_BIOS", ("Name",), where="Name='x'; DELETE"), "cannot be read"),
        (WmiQuery("Win32_BIOS", ("Name",), where="Name='x"), "cannot be read"),
        (WmiQuery("Win32_BIOS", ("Name",), where="(Name='x'"), "leaves a bracket open"),
        (WmiQuery("Win32_BIOS", ("Name",), where="Name='x')"), "closes a bracket"),
        (WmiQuery("Win32_BIOS", ("Name",), where="1=1"), "compares no property"),
        (WmiQuery("Win32_BIOS", ("Name",), where="Name='x' FROM Win32_Product"), "may not hold FROM"),
    ],
)
def test_what_a_query_may_not_ask(query: WmiQuery, said: str) -> None:
    assert said in "\n".join(query_problems(query))


def test_a_class_is_asked_once() -> None:
    assert wmi_problems(Wmi((DISKS,))) == []
    assert wmi_problems(Wmi((DISKS, DISKS))) == [
        "win32_logicaldisk is asked twice: the raw data has one list for it"
    ]
    assert wmi_problems(Wmi(())) == ["it asks nothing"]


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=40))
def test_any_condition_gets_an_answer(where: str) -> None:
    condition_problems(where)
