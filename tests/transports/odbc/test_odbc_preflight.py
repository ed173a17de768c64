"""Servers that say nothing, are not there, or are something else: told at once, without a credential."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from checkup.api import ErrorClass
from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.session import ConnectionFacts, TransportError
from tests.servers.mariadb import MariaDb, mariadb
from tests.servers.postgresql import PostgreSql, postgresql
from tests.servers.tds import SQL_2008_R2, TdsServer, server_context
from tests.servers.winrm.tls import Certificate, make_certificate
from tests.transports.odbc.conftest import (
    SOON,
    SQL_SERVER_DRIVERS,
    Open,
    Server,
    place_of,
    scripted,
    tls_of,
)

ENGINES = ["sqlserver", "postgresql", "mariadb"]


def at(engine: str, address: tuple[str, int], **more: object) -> SqlPlace:
    where = {"engine": engine, "server": address[0], "port": address[1]}
    return SqlPlace.model_validate({**where, "encryption": "clear", **more})


def refusal(open_session: Open, place: SqlPlace, **more: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        open_session(place, **more)
    return caught.value


@contextmanager
def saying(words: bytes) -> Iterator[tuple[str, int]]:
    """A server that says the same to everybody, and hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(0.2)
            connection.sendall(words)
            try:
                while connection.recv(4096):  # so that closing is no reset
                    pass
            except OSError:
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("encryption", ["validated", "clear"])
def test_a_mute_server_is_given_up_in_time(
    open_session: Open, mute: tuple[str, int], engine: str, encryption: str
) -> None:
    began = time.monotonic()
    error = refusal(open_session, at(engine, mute, encryption=encryption), deadlines=SOON)
    assert time.monotonic() - began < 3
    assert error.error is ErrorClass.TIMEOUT
    assert "says nothing for 0.3 s" in error.detail


@pytest.mark.parametrize("engine", ENGINES)
def test_a_refused_port_says_so(open_session: Open, engine: str) -> None:
    facts = ConnectionFacts(transport="odbc")
    error = refusal(open_session, at(engine, ("127.0.0.1", 1)), facts=facts)
    assert error.error is ErrorClass.UNREACHABLE and "127.0.0.1:1 refuses connections" in error.detail
    assert (facts.error, facts.reached) == (ErrorClass.UNREACHABLE, False)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_kind_of_server_is_told_by_its_words(open_session: Open, engine: str, words: bytes) -> None:
    with saying(words) as address:
        error = refusal(open_session, at(engine, address))
    assert error.error is ErrorClass.PROTOCOL
    assert "is the port right? It says: " in error.detail and words[:8].decode() in error.detail


@pytest.mark.parametrize("engine", ENGINES)
def test_hanging_up_without_a_word_is_told(open_session: Open, engine: str) -> None:
    with saying(b"") as address:
        error = refusal(open_session, at(engine, address))
    assert error.error is ErrorClass.DROPPED and "hung up without a word" in error.detail


def test_engines_are_not_taken_for_each_other(
    open_session: Open, postgresql_server: PostgreSql, mariadb_server: MariaDb
) -> None:
    where = {"server": "127.0.0.1", "encryption": "clear"}
    for engine, port in (("postgresql", mariadb_server.port), ("sqlserver", mariadb_server.port)):
        error = refusal(open_session, SqlPlace.model_validate({**where, "engine": engine, "port": port}))
        assert error.error is ErrorClass.PROTOCOL
    port = postgresql_server.port
    error = refusal(open_session, SqlPlace.model_validate({**where, "engine": "sqlserver", "port": port}))
    assert error.error in (ErrorClass.DROPPED, ErrorClass.PROTOCOL)


def test_mariadb_that_bars_this_station_says_so(open_session: Open) -> None:
    def error_packet(number: int, text: str) -> bytes:
        payload = b"\xff" + number.to_bytes(2, "little") + text.encode()
        return len(payload).to_bytes(3, "little") + b"\0" + payload

    for number, kind in ((1129, ErrorClass.DENIED), (1130, ErrorClass.DENIED), (1040, ErrorClass.QUOTA)):
        with saying(error_packet(number, "Host 'x' is blocked")) as address:
            assert refusal(open_session, at("mariadb", address)).error is kind


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture
def with_tls(server: Server, certificate: Certificate) -> Iterator[Server]:
    if not isinstance(server, TdsServer):
        yield server  # these show TLS to whoever wants it
        return
    with TdsServer(scripted(), **tls_of(certificate)) as tds:
        yield tds


def shown_by(server: Server, certificate: Certificate) -> Certificate:
    shown = certificate if isinstance(server, TdsServer) else server.certificate
    assert shown is not None
    return shown


def test_a_self_signed_certificate_is_not_believed_and_the_remedy_is_explained(
    open_session: Open, with_tls: Server
) -> None:
    error = refusal(open_session, place_of(with_tls, encryption="validated"))
    assert error.error is ErrorClass.TLS
    assert "self-signed certificate" in error.detail and "ca_file:" in error.detail
    assert "encryption: unvalidated: then all is encrypted, but nothing proves" in error.detail


def test_what_was_reached_is_recorded(open_session: Open, with_tls: Server, certificate: Certificate) -> None:
    shown = shown_by(with_tls, certificate)
    for more, reached, check in (
        ({"encryption": "validated", "ca_file": str(shown.file)}, "validated", "ca"),
        ({"encryption": "unvalidated"}, "encrypted", "ignored"),
        ({"encryption": "clear"}, "clear", ""),
    ):
        facts = open_session(place_of(with_tls, **more)).facts
        assert (facts.encryption, facts.host_key_check) == (reached, check)
        assert facts.algorithms.startswith("TLSv1.") == (reached != "clear")
        assert facts.host_key.startswith("SHA256:") == (reached != "clear")


def test_the_server_itself_saw_tls(
    open_session: Open, postgresql_server: PostgreSql, mariadb_server: MariaDb
) -> None:
    for encryption, encrypted in (("unvalidated", True), ("clear", False)):
        session = open_session(place_of(postgresql_server, encryption=encryption))
        (answer,) = session.run(
            "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", timeout_s=10, most_rows=1
        )
        assert answer.rows == [[encrypted]]
        session = open_session(place_of(mariadb_server, encryption=encryption))
        (answer,) = session.run("SHOW SESSION STATUS LIKE 'Ssl_cipher'", timeout_s=10, most_rows=1)
        assert bool(answer.rows[0][1]) is encrypted


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
@pytest.mark.parametrize("encryption", ["validated", "unvalidated"])
def test_a_sql_server_saw_tls_asked_for(
    open_session: Open, certificate: Certificate, driver: str, encryption: str
) -> None:
    more = {"ca_file": str(certificate.file)} if encryption == "validated" else {}
    with TdsServer(scripted(), **tls_of(certificate)) as server:
        open_session(place_of(server, driver=driver, encryption=encryption, **more))
        assert {one.encryption.name for one in server.prelogins} == {"ON"}
        assert len(server.logins) == 1


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_driver_is_not_shown_another_certificate_than_the_one_believed(
    open_session: Open, certificate: Certificate, driver: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The driver judges for itself: its connection is another one than that of the preflight."""
    another = make_certificate(tmp_path_factory.mktemp("another"))
    with TdsServer(scripted(), **tls_of(certificate)) as server:
        place = place_of(server, driver=driver, encryption="validated", ca_file=str(certificate.file))
        own = server.tls
        assert own is not None

        def swapped(*_: object) -> None:
            server.tls = server_context(another.file, another.key_file)

        with pytest.MonkeyPatch.context() as patch:
            from checkup.transports.odbc import session as module

            real = module.preflight

            def then_swapped(*arguments: object) -> object:
                shown = real(*arguments)  # pyright: ignore[reportArgumentType]
                swapped()
                return shown

            patch.setattr(module, "preflight", then_swapped)
            error = refusal(open_session, place)
        assert error.error is ErrorClass.TLS
        assert not server.logins


def test_mariadb_is_pinned_to_the_certificate_that_was_judged(
    open_session: Open, mariadb_server: MariaDb, certificate: Certificate
) -> None:
    from checkup.transports.odbc import session as module
    from checkup.transports.odbc.tls import Shown

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "preflight", lambda *_: Shown(certificate=certificate.der, name="localhost"))
        error = refusal(open_session, place_of(mariadb_server, encryption="unvalidated"))
    assert error.error is ErrorClass.TLS and "ingerprint" in error.detail


@pytest.mark.parametrize("encryption", ["validated", "unvalidated"])
def test_a_server_without_tls_is_not_logged_in_to(open_session: Open, encryption: str) -> None:
    with TdsServer(scripted()) as tds:
        error = refusal(open_session, place_of(tds, encryption=encryption))
        assert not tds.logins
    assert error.error is ErrorClass.TLS and "has no TLS" in error.detail
    with postgresql() as pg:
        assert "has no TLS" in refusal(open_session, place_of(pg, encryption=encryption)).detail
    with mariadb(options={"skip-ssl": ""}) as my:
        assert "has no TLS" in refusal(open_session, place_of(my, encryption=encryption)).detail


@pytest.mark.parametrize("encryption", ["validated", "unvalidated"])
def test_a_server_of_tls_1_0_alone_is_refused_with_the_remedy(
    open_session: Open, certificate: Certificate, encryption: str
) -> None:
    facts = ConnectionFacts(transport="odbc")
    with TdsServer(scripted(product=SQL_2008_R2), **tls_of(certificate, old=True)) as server:
        error = refusal(open_session, place_of(server, encryption=encryption), facts=facts)
        assert not server.logins
    assert error.error is ErrorClass.TLS and facts.offers_only_obsolete
    assert "KB3135244" in error.detail and "encryption: clear" in error.detail
    assert facts.server == f"Microsoft SQL Server {SQL_2008_R2.version.rpartition('.')[0]}"


def test_that_remedy_works(open_session: Open, certificate: Certificate) -> None:
    with TdsServer(scripted(product=SQL_2008_R2), **tls_of(certificate, old=True)) as server:
        assert open_session(place_of(server, encryption="clear")).facts.encryption == "clear"


def test_a_server_that_demands_tls_is_told_apart(open_session: Open, certificate: Certificate) -> None:
    with TdsServer(scripted(), **{**tls_of(certificate), "encrypts": "on"}) as server:
        error = refusal(open_session, place_of(server, encryption="clear"))
        assert error.error is ErrorClass.TLS and "takes no login without TLS" in error.detail
        assert not server.logins
        assert open_session(place_of(server, encryption="unvalidated")).facts.encryption == "encrypted"


def test_an_expired_certificate_and_one_for_another_name_are_told(
    open_session: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bad")
    for certificate, words in (
        (make_certificate(folder, expired=True), "has expired"),
        (make_certificate(folder, names=["somewhere-else"]), "was made for another name"),
    ):
        with TdsServer(scripted(), **tls_of(certificate)) as server:
            place = place_of(server, encryption="validated", ca_file=str(certificate.file))
            error = refusal(open_session, place)
        assert error.error is ErrorClass.TLS and words in error.detail


def test_an_unusable_ca_file_is_named(open_session: Open, certificate: Certificate) -> None:
    with TdsServer(scripted(), **tls_of(certificate)) as server:
        error = refusal(open_session, place_of(server, encryption="validated", ca_file="/nowhere/ca.pem"))
    assert error.error is ErrorClass.TLS and "ca_file: /nowhere/ca.pem cannot be used" in error.detail
