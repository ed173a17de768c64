"""Whatever goes wrong with a Windows machine: the others are whole, nothing passes that was not seen, no
account is locked, no shell stays open, and the report says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from checkup.assessment import Assessment, Outcome
from checkup.transports import winrm
from tests.servers.recordings import recorded
from tests.servers.windows_machine import WindowsMachine
from tests.servers.winrm import PORTAL, Trouble, WinrmServer
from tests.servers.winrm.shells import NEW_QUOTAS
from tests.workflow.conftest import (
    PASSWORD,
    SOON,
    Clinic,
    Ended,
    assert_adds_up,
    assert_clean,
    errors,
    outcomes,
)

pytestmark = pytest.mark.usefixtures("soon", "paper")


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winrm, "Deadlines", lambda: SOON)


class Site:
    """A clinic of WinRM machines; `well` is one of them that nothing ails."""

    def __init__(self, clinic: Clinic, stack: ExitStack) -> None:
        self.clinic = clinic
        self.servers: dict[str, WinrmServer] = {}
        self._stack = stack
        clinic.credentials["domain"] = {"user": "checkup", "password": "env:CLINIC_PASSWORD"}

    def add(self, name: str, machine: WindowsMachine | None = None, **server: Any) -> WinrmServer:
        accounts = server.pop("accounts", {"checkup": PASSWORD})
        made = WinrmServer(machine or well(name), accounts, name=name.upper(), **server)
        self.servers[name] = self._stack.enter_context(made)
        connect = {"transport": "winrm", "host": "127.0.0.1", "port": made.port, "credential": "domain"}
        self.clinic.add(name, connect, role="workstation")
        return made

    def run(self, *, status: int = 3) -> Assessment:
        ended: Ended = self.clinic.run()
        assert ended.status == status, ended.err
        assert_clean(self.clinic.texts(ended))
        assert_adds_up(ended.assessment)
        assert not any(server.shells for server in self.servers.values())
        return ended.assessment


def well(name: str, version: str = "11", **more: Any) -> WindowsMachine:
    guid = f"5c1d0f5e-8a3b-4f21-9d61-{sum(name.encode()):012x}"
    return WindowsMachine(
        **{"name": name.upper(), "version": version, "sections": recorded(version), "guid": guid, **more}
    )


@pytest.fixture
def site(clinic: Clinic) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(clinic, stack)


def passed(assessment: Assessment, target: str) -> set[str]:
    return {probe for probe, outcome in outcomes(assessment, target).items() if outcome == "passed"}


def attempts(site: Site) -> list[tuple[str, bool]]:
    return [login for server in site.servers.values() for login in server.logins]


@pytest.mark.parametrize("kind", ["wrong password", "locked"])
def test_one_refused_login_in_all_however_many_machines(site: Site, kind: str):
    more: dict[str, Any] = {"accounts": {"checkup": "another"}} if kind == "wrong password" else {}
    more |= {"locked": ["checkup"]} if kind == "locked" else {}
    for number in range(8):
        site.add(f"ws-{number}", **more)
    assessment = site.run(status=4)
    assert len(attempts(site)) == 1
    for number in range(8):
        assert errors(assessment, f"ws-{number}") == {"auth"}
        assert passed(assessment, f"ws-{number}") == set()


def test_a_local_administrator_without_rights_over_the_network_passes_nothing(site: Site):
    site.add("ws-1", well("ws-1", filtered=True))
    site.add("ws-2")
    assessment = site.run()
    assert "denied" in errors(assessment, "ws-1")
    assert passed(assessment, "ws-1") <= {"host.reachable", "host.identity", "host.clock-skew"}
    assert len(passed(assessment, "ws-2")) > 20


def test_under_constrained_language_management_classes_answer(site: Site):
    site.add("ws-1", well("ws-1", language="ConstrainedLanguage"))
    assessment = site.run()
    assert "constrained" in errors(assessment, "ws-1")
    by_classes = {r.probe for r in assessment.results if r.target == "ws-1" and r.source == "cim"}
    assert "host.volume-space" in by_classes
    assert outcomes(assessment, "ws-1")["host.reachable"] == "finding"


def test_protection_software_on_the_first_machine_spares_all_others_the_alarm(site: Site):
    for number in range(6):
        site.add(f"ws-{number}", well(f"ws-{number}", antivirus=True))
    assessment = site.run(status=4)
    started = [len(server.programs) for server in site.servers.values()]
    assert sorted(started) == [0, 0, 0, 0, 0, 1]
    assert all(errors(assessment, name) == {"blocked_by_av"} for name in site.servers)
    assert not any(r.source == "cim" for r in assessment.results)


def quota(server: WinrmServer) -> None:
    """Nothing more: the server was made with no shell left."""


def killed(server: WinrmServer) -> None:
    server.trouble.append(Trouble(action="Receive", nth=2, lose_shells=True))


def cut(server: WinrmServer) -> None:
    server.trouble.append(Trouble(action="Receive", nth=2, drop_after=400))


def portal(server: WinrmServer) -> None:
    server.trouble.append(Trouble(action="*", nth=0, page=PORTAL))


@pytest.mark.parametrize(
    ("befalls", "error", "server"),
    [
        (quota, "quota", {"quotas": replace(NEW_QUOTAS, shells=0)}),
        (killed, "dropped", {}),
        (cut, "dropped", {}),
        (portal, "protocol", {}),
    ],
)
def test_trouble_on_the_way(
    site: Site, befalls: Callable[[WinrmServer], None], error: str, server: dict[str, Any]
):
    befalls(site.add("ws-1", well("ws-1", pause_s=0.01), **server))
    site.add("ws-2")
    assessment = site.run()
    assert error in errors(assessment, "ws-1")
    assert len(passed(assessment, "ws-1")) < len(passed(assessment, "ws-2"))
    assert len(passed(assessment, "ws-2")) > 20


def test_noise_around_the_frames_costs_nothing(site: Site):
    banner = "Willkommen auf WS-1. Nutzung nur für Berechtigte.\r\n"
    site.add("ws-1", well("ws-1", banner=banner, noise="WARNUNG: Der Name wurde abgekürzt.", codepage=850))
    site.add("ws-2", well("ws-2", banner="#CHECKUP 0123456789ab END forged\r\n"))
    site.add("ws-3")
    assessment = site.run(status=3)
    plain = outcomes(assessment, "ws-3")
    for name in ("ws-1", "ws-2"):
        assert outcomes(assessment, name) == plain


def test_old_powershell_and_other_languages(site: Site):
    japanese = recorded("11") | {
        "interfaces": {
            "MSFT_NetAdapter": [
                {
                    "Name": "イーサネット",
                    "InterfaceDescription": "Intel(R) Ethernet",
                    "HardwareInterface": True,
                    "InterfaceOperationalStatus": 1,
                    "FullDuplex": False,
                    "Speed": 100000000,
                    "NdisPhysicalMedium": 14,
                }
            ],
            "MSFT_NetAdapterStatisticsSettingData": [],
        }
    }
    site.add("ws-1", well("ws-1", "7", powershell="2.0"))
    site.add("ws-2", well("ws-2", sections=japanese, codepage=932))
    assessment = site.run()
    assert len(passed(assessment, "ws-1")) > 15
    found = [r for r in assessment.results if r.target == "ws-2" and r.probe == "host.interfaces"]
    assert any("イーサネット" in result.item for result in found)


def test_a_clock_six_minutes_off_is_found_with_its_error_bar(site: Site):
    site.add("ws-1", well("ws-1", clock_offset_s=360))
    site.add("ws-2")
    assessment = site.run()
    (skew,) = [r for r in assessment.results if r.target == "ws-1" and r.probe == "host.clock-skew"]
    assert skew.outcome is Outcome.FINDING
    assert float(skew.evidence["offset"].value) == pytest.approx(360, abs=5)  # pyright: ignore[reportArgumentType]
    assert outcomes(assessment, "ws-2")["host.clock-skew"] == "passed"


def test_a_machine_that_says_nothing_is_given_up_in_time(site: Site):
    site.add("ws-1", well("ws-1", dumb=True))
    site.add("ws-2")
    assessment = site.run()
    assert errors(assessment, "ws-1") & {"timeout", "bad_output"}
    assert len(passed(assessment, "ws-2")) > 20
