"""Kerberos against a real key distribution centre of MIT, messages encrypted by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from checkup.api import ErrorClass
from checkup.transports import Credential
from tests.servers.fake_ssh import listening
from tests.servers.kdc import REALM, Kdc, KerberosAcceptor, kdc, needs_kdc
from tests.servers.winrm import Output, Trouble, WinrmServer
from tests.transports.winrm_sessions import ACCOUNTS, Machine, open_error, run, says, session_at

pytestmark = needs_kdc

SPN = "HTTP/ws-3.clinic.example"
NAME = {"auth": "kerberos", "spn_host": "ws-3.clinic.example"}


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    with kdc(tmp_path_factory.mktemp("kdc")) as centre:
        centre.add("anna", "right")
        centre.add_random(SPN)
        yield centre


@pytest.fixture
def clinic(realm: Kdc, monkeypatch: pytest.MonkeyPatch) -> Kdc:
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("KRB5CCNAME", raising=False)
    monkeypatch.setenv("KRB5_KTNAME", f"FILE:{realm.keytab(SPN)}")
    return realm


@pytest.fixture
def kinit(clinic: Kdc, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run_it(*options: str) -> None:
        monkeypatch.setenv("KRB5CCNAME", f"FILE:{clinic.kinit('anna', 'right', *options)}")

    return run_it


def server_of(**more: Any) -> WinrmServer:
    return WinrmServer(
        more.pop("machine", Machine()),
        ACCOUNTS,
        acceptor=KerberosAcceptor,
        offers=("Negotiate", "Kerberos"),
        **more,
    )


def ticket(user: str = "anna") -> Credential:
    return Credential(name=f"ticket-{user}", user=f"{user}@{REALM}", ticket=True)


def keytab(path: Path, user: str = "scanner", name: str = "keytab") -> Credential:
    return Credential(name=name, user=f"{user}@{REALM}", keytab=str(path))


def test_a_ticket_logs_in_and_encrypts(kinit: Callable[..., None]) -> None:
    kinit()
    machine = Machine([Output(stdout=b"x" * 20_000 + "Ä".encode(), exit_code=0)])
    with server_of(machine=machine) as server:
        with session_at(server, credential=ticket(), **NAME) as session:
            assert run(session, b"s" * 100_000) == b"x" * 20_000 + "Ä".encode()
        batch = ["Create", "Command", "Send", "Send", "Receive", "Signal", "Delete"]
        assert server.actions == ["Login", *batch]
        assert server.logins == [(f"anna@{REALM}", True)]
        assert server.shells == {}


@pytest.mark.parametrize("tls", [None, "valid"])
def test_a_keytab_logs_in_whatever_tickets_there_are(
    clinic: Kdc, kinit: Callable[..., None], tmp_path: Path, tls: Any
) -> None:
    kinit()
    path = clinic.keytab("scanner")
    with server_of(tls=tls) as server:
        with session_at(server, credential=keytab(path, name=f"scanner-{tls}"), **NAME) as session:
            assert run(session) == b"done\n"
        assert server.logins == [(f"scanner@{REALM}", True)]
        # and the tickets of whoever sits here are still theirs
        with session_at(server, credential=ticket(), **NAME) as session:
            assert run(session) == b"done\n"
        assert server.logins[1:] == [(f"anna@{REALM}", True)]


def test_a_connection_that_breaks_is_made_anew_for_the_goodbye(kinit: Callable[..., None]) -> None:
    kinit()
    with server_of() as server:
        server.trouble.append(Trouble(action="Delete", drop_after=10))
        with session_at(server, credential=ticket(), **NAME) as session:
            assert run(session) == b"done\n"
        assert server.shells == {}
        assert len(server.logins) == 2


def test_no_ticket(clinic: Kdc) -> None:
    with server_of() as server:
        open_error(server, ErrorClass.AUTH, "run `kinit`", credential=ticket(), **NAME)
        assert server.requests == []


def test_a_ticket_of_somebody_else(kinit: Callable[..., None]) -> None:
    kinit()
    with server_of() as server:
        open_error(server, ErrorClass.AUTH, f"ticket of bert@{REALM}", credential=ticket("bert"), **NAME)
        assert server.requests == []


def test_a_machine_that_the_domain_does_not_know(kinit: Callable[..., None]) -> None:
    kinit()
    with server_of() as server:
        name = {**NAME, "spn_host": "other.clinic.example"}
        open_error(
            server, ErrorClass.AUTH, "no machine HTTP/other.clinic.example", credential=ticket(), **name
        )


def test_a_keytab_of_somebody_else(clinic: Kdc) -> None:
    path = clinic.keytab("scanner")
    with server_of() as server:
        more = {"credential": keytab(path, "bert", "other"), **NAME}
        open_error(server, ErrorClass.AUTH, "klist -k", **more)


def test_an_old_keytab_is_refused(clinic: Kdc, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_bytes(clinic.keytab("former").read_bytes())
    clinic.keytab("former")
    with server_of() as server:
        more = {"credential": keytab(old, "former", "former"), **NAME}
        open_error(server, ErrorClass.AUTH, "the domain refused", **more)


def test_a_locked_account_is_refused(clinic: Kdc) -> None:
    path = clinic.keytab("locked")
    clinic.modify("locked", "-allow_tix")
    with server_of() as server:
        more = {"credential": keytab(path, "locked", "locked"), **NAME}
        open_error(server, ErrorClass.AUTH, "the domain refused", **more)


def test_no_domain_controller(clinic: Kdc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = clinic.keytab("scanner")
    other = tmp_path / "krb5.conf"
    text = Path(clinic.environment["KRB5_CONFIG"]).read_text()
    other.write_text(text.replace(f":{clinic.port}", ":1"))
    monkeypatch.setenv("KRB5_CONFIG", str(other))
    with server_of() as server:
        more = {"credential": keytab(path, name="lonely"), **NAME}
        open_error(server, ErrorClass.AUTH, "no domain controller", **more)


def test_clocks_that_differ(kinit: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    import kerberos  # pyright: ignore[reportMissingImports] - an extra, built for the tests

    def step(*_: object, **__: object) -> None:
        raise kerberos.GSSError(("Unspecified GSS failure", 851968), ("Clock skew too great", -1765328347))

    kinit()
    monkeypatch.setattr(kerberos, "authGSSClientStep", step)
    with server_of() as server:
        open_error(server, ErrorClass.AUTH, "the clocks of this station", credential=ticket(), **NAME)


def test_a_ticket_that_the_machine_refuses(kinit: Callable[..., None], clinic: Kdc) -> None:
    kinit("-l", "1h")
    clinic.change_keys(SPN)  # as of a machine that was joined to the domain anew
    with server_of() as server:
        open_error(server, ErrorClass.AUTH, "refused the Kerberos ticket", credential=ticket(), **NAME)


def test_whoever_cannot_prove_to_be_the_machine(kinit: Callable[..., None]) -> None:
    kinit()
    with server_of() as server, listening(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as port:
        more = {"credential": ticket(), "port": port, **NAME}
        open_error(server, ErrorClass.PROTOCOL, "could not prove", **more)


def test_nothing_is_printed(kinit: Callable[..., None], capfd: pytest.CaptureFixture[str]) -> None:
    kinit()
    with server_of() as server:
        name = {**NAME, "spn_host": "other.clinic.example"}
        open_error(server, ErrorClass.AUTH, credential=ticket(), **name)
    assert capfd.readouterr() == ("", "")
