"""Named instances and tunnels: how a server is found that does not listen where one thinks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError

from checkup.api import ErrorClass
from checkup.transports import JumpHost, JumpPool, ssh
from checkup.transports.odbc import browser
from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.session import ConnectionFacts, TransportError
from tests.servers.sshd import Sshd, needs_sshd, sshd
from tests.servers.tds import SQL_2019, Browser, TdsServer, express
from tests.servers.winrm.tls import Certificate
from tests.transports.conftest import PATIENT, connect_to, key_of
from tests.transports.odbc.conftest import (
    SQL_SERVER_DRIVERS,
    Open,
    Server,
    drivers_processes,
    place_of,
    scripted,
    tls_of,
)

EXPRESS = express(SQL_2019)
INSTANCE = EXPRESS.instance or ""
# Of this process's tests alone: no other port than 1434 is ever asked.
_OWN = f"{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
BROWSERS_ADDRESS, NOBODYS_ADDRESS = f"127.83.{_OWN}", f"127.84.{_OWN}"


# --- the SQL Server Browser -------------------------------------------------------------------


def test_a_named_instance_is_found_by_its_browser(open_session: Open) -> None:
    with (
        TdsServer(scripted(product=EXPRESS), address=BROWSERS_ADDRESS) as server,
        Browser(BROWSERS_ADDRESS, {EXPRESS: server.port}) as asked,
    ):
        place = place_of(server, port=None, instance=INSTANCE)
        facts = open_session(place).facts
        assert asked.asked == [INSTANCE]
        assert facts.address == f"{BROWSERS_ADDRESS}:{server.port}"


def test_a_port_that_is_written_is_not_asked_for(open_session: Open) -> None:
    with TdsServer(scripted(product=EXPRESS)) as server:
        open_session(place_of(server, instance=INSTANCE))


def test_an_instance_on_shared_memory_alone_is_told(open_session: Open) -> None:
    where = {"engine": "sqlserver", "server": BROWSERS_ADDRESS, "instance": INSTANCE}
    with Browser(BROWSERS_ADDRESS, {EXPRESS: None}), pytest.raises(TransportError) as caught:
        open_session(SqlPlace.model_validate(where))
    assert caught.value.error is ErrorClass.UNSUPPORTED
    assert "shared memory" in caught.value.detail and "enable TCP/IP" in caught.value.detail


def test_without_a_browser_the_remedy_is_told_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(TransportError) as caught:
        browser.port_of(NOBODYS_ADDRESS, "NONE", patience_s=0.3)
    assert time.monotonic() - began < 2
    assert caught.value.error is ErrorClass.UNREACHABLE and "Write port:" in caught.value.detail


def test_an_unknown_instance_is_told_in_time() -> None:
    with Browser(BROWSERS_ADDRESS, {EXPRESS: 1}), pytest.raises(TransportError) as caught:
        browser.port_of(BROWSERS_ADDRESS, "NONE", patience_s=0.3)
    assert "no such instance" in caught.value.detail


# --- what the site file may say ---------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": "postgresql", "instance": "X"},
        {"engine": "sqlserver", "via": "bastion", "instance": "X"},
        {"engine": "sqlserver", "encryption": "unvalidated", "ca_file": "/ca.pem"},
        {"engine": "sqlserver", "server": "srv\\INSTANCE"},
        {"engine": "sqlserver", "server": "srv,1433"},
        {"engine": "sqlserver", "server": "srv;UID=sa"},
        {"engine": "sqlserver", "database": "a\nb"},
        {"engine": "oracle"},
        {"engine": "sqlserver", "password": "literal"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SqlPlace.model_validate({"server": "srv-db", **wrong})


# --- tunnels ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bastion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("bastion")) as server:
        yield server


@contextmanager
def pool_of(server: Sshd) -> Iterator[JumpPool]:
    connect: ssh.Connect = connect_to(server)
    pool = JumpPool({"bastion": JumpHost(connect=connect, credential=key_of(server))}, deadlines=PATIENT)
    try:
        yield pool
    finally:
        pool.close()


@pytest.mark.sshd
@needs_sshd
def test_every_engine_is_reached_through_a_tunnel(open_session: Open, server: Server, bastion: Sshd) -> None:
    with pool_of(bastion) as pool:
        session = open_session(place_of(server, via="bastion"), jump=pool)
        facts = session.facts
        assert (facts.jump, facts.address) == ("bastion", f"127.0.0.1:{server.port}")
        assert facts.round_trip_s is not None and facts.reached
        session.close()
    assert not drivers_processes()


@pytest.mark.sshd
@needs_sshd
@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_certificates_are_checked_through_a_tunnel(
    open_session: Open, bastion: Sshd, certificate: Certificate, driver: str
) -> None:
    with pool_of(bastion) as pool, TdsServer(scripted(), **tls_of(certificate)) as server:
        trusted = place_of(
            server, driver=driver, via="bastion", encryption="validated", ca_file=str(certificate.file)
        )
        session = open_session(trusted, jump=pool)
        assert session.facts.encryption == "validated"
        session.close()
        with pytest.raises(TransportError) as caught:
            open_session(place_of(server, driver=driver, via="bastion", encryption="validated"), jump=pool)
        assert caught.value.error is ErrorClass.TLS


@pytest.mark.sshd
@needs_sshd
def test_real_servers_certificates_are_checked_through_a_tunnel(
    open_session: Open, bastion: Sshd, server: Server
) -> None:
    if isinstance(server, TdsServer):
        return  # see above
    assert server.certificate is not None
    more = {"via": "bastion", "encryption": "validated", "ca_file": str(server.certificate.file)}
    with pool_of(bastion) as pool:
        for name in ("localhost", "127.0.0.1"):
            place = place_of(server, **more).model_copy(update={"server": name})
            assert open_session(place, jump=pool).facts.encryption == "validated"


@pytest.mark.sshd
@needs_sshd
def test_a_port_that_the_jump_host_cannot_reach_is_told(open_session: Open, bastion: Sshd) -> None:
    where = {"engine": "postgresql", "server": "127.0.0.1", "port": 1, "via": "bastion"}
    with pool_of(bastion) as pool, pytest.raises(TransportError) as caught:
        open_session(SqlPlace.model_validate(where), jump=pool)
    assert caught.value.error is ErrorClass.UNREACHABLE
    assert caught.value.detail.startswith("jump host bastion: cannot reach 127.0.0.1:1")


@pytest.mark.sshd
@needs_sshd
def test_a_jump_host_that_is_lost_is_lost_for_the_session(
    open_session: Open, server: Server, tmp_path: Path
) -> None:
    with sshd(tmp_path / "sshd") as own, pool_of(own) as pool:
        session = open_session(place_of(server, via="bastion"), jump=pool)
        own.kill_sessions()
        with pytest.raises(TransportError) as caught:
            session.run("SELECT 1 AS number", timeout_s=5, most_rows=1)
    assert caught.value.error is ErrorClass.DROPPED


def test_a_jump_host_that_nobody_describes_is_named(open_session: Open, server: Server) -> None:
    facts = ConnectionFacts(transport="odbc")
    with pytest.raises(TransportError, match="via: bastion is named for this instance"):
        open_session(place_of(server, via="bastion"), facts=facts)
    assert not facts.reached


@pytest.mark.sshd
@needs_sshd
def test_sessions_through_one_jump_host_do_not_mix(open_session: Open, server: Server, bastion: Sshd) -> None:
    """Each has a listener of its own; a closed one takes nobody."""
    with pool_of(bastion) as pool:
        sessions = [open_session(place_of(server, via="bastion"), jump=pool) for _ in range(3)]
        sessions[1].close()
        threads = [
            threading.Thread(target=one.run, args=("SELECT 1 AS x",), kwargs={"timeout_s": 5, "most_rows": 1})
            for one in (sessions[0], sessions[2])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(drivers_processes()) == 2
        for one in sessions:
            one.close()
