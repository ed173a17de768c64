"""`checkup discover`: neighbours that a server knows of, as YAML to accept."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from checkup.api import Visit
from checkup.site import Site, load_text
from checkup.site.tree import read
from checkup.transports import winrm
from checkup.workflow.discovering import Discovered, Neighbour, proposal
from tests.servers.windows_machine import WindowsMachine
from tests.servers.winrm import WinrmServer
from tests.workflow.conftest import PASSWORD, SOON, Clinic, checkup

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
HEAD = dedent("""
    version: 1
    site: {id: harbour, name: Harbour Clinic, timezone: America/Denver, country: US}
    contract: {package: premium, installed: 2025-10-01}
    credentials: {domain: {user: checkup, password: "env:CLINIC_PASSWORD"}}
    hosts:
      - id: srv
        connect: {transport: winrm, host: srv.harbour.example, auth: kerberos, credential: domain}
      - {id: ws-9, platform: windows, connect: {transport: bundle, file: ws-9.bundle}}
""")

SEEN = {
    "discovery-sessions": {
        "MSFT_SmbSession": [
            {"ClientComputerName": name} for name in ("WS-3", "10.20.0.44", "[fe80::1]", "srv")
        ],
        "Win32_ServerSession": None,
    },
    "discovery-locks": {"files": [{"file": "Register.ldb", "computers": ["WS-3", "BÜRO-2", "WS-9"]}]},
    "discovery-directory": {
        "computers": [
            {"name": "WS-3", "system": "Windows 11 Pro", "seen": "2026-11-18T07:12:00.000Z"},
            {"name": "WS-OLD", "system": "Windows XP", "seen": "2023-02-01T07:00:00.000Z"},
            {"name": "SRV-DB", "system": "Windows Server 2019", "seen": None},
        ]
    },
}


def site_of(text: str) -> Site:
    return load_text(text, path=Path("site.yaml"), today=date(2026, 11, 20)).site


def accepted(text: str) -> Site:
    """The site file once the proposal was pasted under its hosts."""
    _, _, hosts = text.partition("\nhosts:\n")
    return site_of(HEAD + indent(dedent(hosts), "  "))


def proposed(*neighbours: Neighbour, server: int = 0) -> str:
    found = Discovered(neighbours=neighbours, gaps=(), answered=True)
    return proposal(found, site_of(HEAD).hosts[server], NOW)


def neighbour(name: str, **more: Any) -> Neighbour:
    return Neighbour(**{"name": name, "seen": ("has a share open",), **more})


# --- the proposal ---------------------------------------------------------------------------------


def test_what_is_accepted_is_a_valid_site_file_with_the_servers_own_way_in() -> None:
    site = accepted(
        proposed(neighbour("ws-3", system="Windows 11 Pro"), neighbour("srv-db", system="Windows Server"))
    )
    ws_3, srv_db = site.hosts[2:]
    assert (ws_3.id, ws_3.platform, ws_3.role, srv_db.role) == ("ws-3", "windows", None, "server")
    assert isinstance(ws_3.connect, winrm.Connect)
    assert (ws_3.connect.host, ws_3.connect.auth, ws_3.connect.credential) == ("ws-3", "kerberos", "domain")


def test_behind_a_server_without_remote_access_a_bundle_is_proposed() -> None:
    (host,) = accepted(proposed(neighbour("ws-3"), server=1)).hosts[2:]
    assert host.connect.transport == "bundle"


def test_odd_names_become_names_of_hosts() -> None:
    names = ("büro-2", "büro_2", "10.20.0.44", "2001:db8::7", "-", "x" * 200)
    site = accepted(proposed(*(neighbour(name) for name in names), server=1))
    assert [host.id for host in site.hosts[2:]] == [
        "buro-2",
        "buro-2-2",
        "pc-10-20-0-44",
        "pc-2001-db8-7",
        "pc",
        "x" * 63,
    ]


def test_what_is_known_or_probably_gone_is_a_comment() -> None:
    old = datetime(2023, 2, 1, tzinfo=UTC)
    text = proposed(
        neighbour("ws-9", known_as="ws-9"),
        neighbour("ws-old", seen=("in the directory",), last_seen=old),
        neighbour("ws-back", seen=("in the directory", "in a lock file"), last_seen=old),
    )
    assert "# already there as ws-9: ws-9" in text
    assert "  # - id: ws-old" in text
    assert [host.id for host in accepted(text).hosts] == ["srv", "ws-9", "ws-back"]


def test_a_hostile_name_stays_within_its_comment() -> None:
    text = proposed(neighbour("ws-3", system="Windows\nhosts: [evil]\n- id: root"))
    assert [host["id"] for host in read(text).data["hosts"]] == ["ws-3"]  # pyright: ignore
    assert accepted(text).hosts[-1].id == "ws-3"


def test_where_nobody_else_was_seen_that_is_said() -> None:
    assert "No other computer was seen" in proposed()


# --- from a server --------------------------------------------------------------------------------


@pytest.fixture
def server(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Iterator[WinrmServer]:
    monkeypatch.setattr(winrm, "Deadlines", lambda: SOON)
    clinic.credentials["domain"] = {"user": "checkup", "password": "env:CLINIC_PASSWORD"}
    with ExitStack() as stack:
        machine = WindowsMachine("SRV", version="2022", sections=SEEN)
        made = stack.enter_context(WinrmServer(machine, {"checkup": PASSWORD}, name="SRV"))
        connect = {"transport": "winrm", "host": "127.0.0.1", "port": made.port, "credential": "domain"}
        clinic.add("srv", connect, declare={"data_folders": ["D:\\Data"]})
        clinic.add("ws-9", {"transport": "bundle", "file": "ws-9.bundle"}, platform="windows")
        clinic.add("db", {"transport": "bundle", "file": "db.bundle"})
        yield made


def test_a_server_tells_and_no_neighbour_is_spoken_to(
    clinic: Clinic, server: WinrmServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: set[int] = set()
    connect = socket.socket.connect

    def counted(self: socket.socket, address: Any) -> None:
        reached.add(address[1])
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", counted)
    ended = checkup("discover", clinic.site_file, "--from", "srv", "--write", "found.yaml")
    assert ended.status == 0, ended.err
    hosts = read(ended.out).data["hosts"]  # pyright: ignore
    found = {host["id"]: host for host in hosts}  # pyright: ignore
    assert set(found) == {"ws-3", "buro-2", "pc-10-20-0-44", "srv-db"}
    assert "# already there as ws-9: ws-9" in ended.out
    assert "  # - id: ws-old" in ended.out
    assert "fe80" not in ended.out
    assert "has a share open; in a lock file; in the directory" in ended.out
    assert (clinic.folder / "found.yaml").read_text(encoding="utf-8") == ended.out
    assert reached == {server.port}
    assert server.shells == {}
    with clinic.store() as store:
        (run,) = store.runs()
        (entry,) = store.ledger([run.id])
        assert (run.visit, entry.endpoint, entry.outcome) == (Visit.INTERIM, "srv", "complete")
        script = store.script(entry.sha256)
        assert script.count(b"\nSection '") == 3


def test_the_site_file_is_not_changed_and_a_file_is_not_overwritten(
    clinic: Clinic, server: WinrmServer
) -> None:
    site_file = clinic.site_file
    before = site_file.read_bytes()
    ended = checkup("discover", site_file, "--from", "srv", "--write", site_file)
    assert (ended.status, "exists already" in ended.err) == (2, True)
    assert server.requests == []
    assert site_file.read_bytes() == before


def test_what_could_not_be_looked_at_is_told(clinic: Clinic, server: WinrmServer) -> None:
    machine: Any = server.machine
    machine.sections = {"discovery-locks": SEEN["discovery-locks"], "discovery-directory": {"computers": 7}}
    machine.qualities = {"discovery-sessions": ("denied", "no rights")}
    ended = checkup("discover", clinic.site_file, "--from", "srv")
    assert "# Not seen, has a share open: denied (no rights" in ended.out
    assert "# Not seen, in the directory: the answer could not be read (ValueError)" in ended.out
    assert "id: ws-3" in ended.out


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("db", 2, "what can be asked is a Windows server"),
        ("ws-77", 2, "no host 'ws-77'"),
        ("ws-9", 4, "did not answer"),
    ],
)
def test_a_machine_that_cannot_tell_is_named(
    clinic: Clinic, server: WinrmServer, name: str, status: int, said: str
) -> None:
    ended = checkup("discover", clinic.site_file, "--from", name)
    assert (ended.status, said in ended.err) == (status, True), ended.err
