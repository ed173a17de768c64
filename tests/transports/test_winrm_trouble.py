"""Every trouble ends in time and under its right name, and leaves no shell behind on the machine."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkup.api import ErrorClass
from checkup.transports import ConnectionFacts, Deadlines, TransportError, winrm
from checkup.transports import winrm_line as lines
from checkup.transports import winrm_session as sessions
from checkup.transports.winrm_session import WinrmSession
from tests.servers.fake_ssh import listening
from tests.servers.relay import relay
from tests.servers.winrm import PORTAL, PROXY_PAGE, UNAVAILABLE, Output, Page, Trouble, WinrmServer
from tests.servers.winrm import faults as server_faults
from tests.transports.winrm_sessions import (
    ACCOUNTS,
    LIMIT_S,
    PASSWORD,
    PATIENT,
    Machine,
    conversing,
    error_of,
    open_error,
    run,
    says,
    session_at,
    wait_until,
)

SOON = Deadlines(connect_s=0.5, handshake_s=0.5, auth_s=0.5, channel_s=0.5, batch_s=0.5, retry_pause_s=0.02)
ENDLESS = Machine([Output(stdout=b"begun"), Output(delay_s=float("inf"))])


@pytest.fixture(autouse=True)
def quick_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "GOODBYE_S", 1.0)


def broken_batch(
    server: WinrmServer, error: ErrorClass, words: str = "", deadlines: Deadlines = PATIENT
) -> bytes:
    """The output up to the error; the machine has no shell afterwards."""
    got: list[bytes] = []
    with session_at(server, deadlines=deadlines) as session:
        error_of(lambda: got.extend(session.stream(b"script")), error, words)
    wait_until(lambda: not server.shells)
    return b"".join(got)


def open_at(port: int, deadlines: Deadlines = PATIENT, **more: Any) -> None:
    connect = winrm.Connect.model_validate({"transport": "winrm", "host": "127.0.0.1", "port": port, **more})
    winrm.open_session(connect, credential=PASSWORD, deadlines=deadlines).close()


# --- nobody, or somebody else ---


def test_nobody_there() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        error_of(lambda: open_at(nobody.getsockname()[1]), ErrorClass.UNREACHABLE, "refuses connections")


def test_a_name_without_an_address() -> None:
    connect = winrm.Connect(transport="winrm", host="ws-3.invalid")
    error_of(
        lambda: winrm.open_session(connect, credential=PASSWORD),
        ErrorClass.UNREACHABLE,
        "could not be looked up",
    )


def test_proxies_of_the_environment_are_passed_by(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with WinrmServer(Machine(), ACCOUNTS) as server, session_at(server) as session:
        assert run(session) == b"done\n"


def test_passwords_of_a_netrc_are_not_shown(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with WinrmServer(Machine(), ACCOUNTS) as server:
        with session_at(server) as session:
            assert run(session) == b"done\n"
        assert server.logins == [("checkup", True)]


@pytest.mark.parametrize("action", ["Login", "Create"])
@pytest.mark.parametrize(
    ("page", "error", "words"),
    [
        (PORTAL, ErrorClass.PROTOCOL, "captive portal"),
        (Page(200, "hello", "text/plain"), ErrorClass.PROTOCOL, ""),
        (UNAVAILABLE, ErrorClass.QUOTA, "HTTP 503"),
        (PROXY_PAGE, ErrorClass.UNREACHABLE, "a proxy answers"),
        (Page(407, ""), ErrorClass.UNREACHABLE, "a proxy answers"),
        (Page(403, "<html>no</html>"), ErrorClass.DENIED, "HTTP 403"),
        (Page(404, "<html>no</html>"), ErrorClass.PROTOCOL, "the port of WinRM"),
        (Page(500, "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"), ErrorClass.PROTOCOL, "HTTP 500"),
    ],
)
def test_an_answer_that_is_no_soap(action: str, page: Page, error: ErrorClass, words: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, page=page))
        words = "plain text on an encrypted connection" if (action, page.status) == ("Create", 200) else words
        open_error(server, error, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html><html></html>", "a web page"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "XML with a document type"),
        ("<s:Envelope xmlns:s='s'><s:Bo", "broken XML"),
        ("", "nothing"),
        ("<other/>", "a document of the kind 'other'"),
        ("<s:Envelope xmlns:s='s'>" + "<a>" * 100 + "</a>" * 100 + "</s:Envelope>", "nested without end"),
        ("<s:Envelope xmlns:s='s'/>", "breaks the WS-Management protocol"),
    ],
)
def test_an_answer_in_clear_that_is_no_soap(text: str, words: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        server.trouble.append(Trouble(action="Create", page=Page(200, text, "application/soap+xml")))
        open_error(server, ErrorClass.PROTOCOL, words, auth="basic")


def test_malformed_xml_in_the_batch() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Receive", malformed=True))
        assert broken_batch(server, ErrorClass.PROTOCOL) == b""


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", ErrorClass.PROTOCOL, "does not speak HTTP"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", ErrorClass.PROTOCOL, "elsewhere"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", ErrorClass.AUTH, "takes no NTLM, only nothing"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut", ErrorClass.DROPPED, ""),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", ErrorClass.PROTOCOL, ""),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", ErrorClass.PROTOCOL, ""),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            ErrorClass.PROTOCOL,
            "does not speak HTTP",
        ),
        (b"", ErrorClass.DROPPED, ""),
    ],
)
def test_other_servers(answer: bytes, error: ErrorClass, words: str) -> None:
    with listening(says(answer)) as port:
        error_of(lambda: open_at(port), error, words)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [
            b"",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate ",
            b"HTTP/1.1 500 No\r\nContent-Length: 900\r\n\r\n",
        ]
    ),
    st.binary(max_size=900),
)
def test_whatever_a_server_says_has_a_name(start: bytes, rest: bytes) -> None:
    with listening(says(start + rest)) as port, pytest.raises(TransportError):
        open_at(port, SOON)


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_ANSWER_BYTES", 300_000)

    def flood(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            try:
                client.sendall(b"x" * 65536)
            except OSError:
                return

    with listening(flood) as port:
        error_of(lambda: open_at(port), ErrorClass.BAD_OUTPUT, "was cut off")


def test_output_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "OUTPUT_LIMIT", 200_000)
    machine = Machine([Output(stdout=b"x" * 100_000)] * 5)
    with WinrmServer(machine, ACCOUNTS) as server:
        broken_batch(server, ErrorClass.BAD_OUTPUT, "was cut off")


# --- too late ---


def test_a_byte_now_and_then_is_not_waited_for() -> None:
    stop = threading.Event()

    def drip(client: socket.socket) -> None:
        client.recv(65536)
        while not stop.wait(0.05):
            try:
                client.sendall(b"H")
            except OSError:
                return

    with listening(drip) as port:
        error_of(lambda: open_at(port, SOON), ErrorClass.TIMEOUT)
        stop.set()


@pytest.mark.parametrize("action", ["Login", "Create"])
def test_a_login_without_an_answer(action: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, silent=True))
        open_error(server, ErrorClass.TIMEOUT, "within 0.5 s", deadlines=SOON)


@pytest.mark.parametrize("action", ["Command", "Send", "Receive"])
def test_a_batch_without_an_answer(action: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, silent=True))
        started = time.monotonic()
        assert broken_batch(server, ErrorClass.TIMEOUT, deadlines=SOON) == b""
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("action", ["Signal", "Delete"])
def test_a_goodbye_without_an_answer_is_said_again(action: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, silent=True))
        with session_at(server) as session:
            assert run(session) == b"done\n"
        assert server.shells == {}


def test_a_batch_that_never_ends_is_ended() -> None:
    with WinrmServer(ENDLESS, ACCOUNTS) as server:
        soon = replace(SOON, batch_s=1)
        assert broken_batch(server, ErrorClass.TIMEOUT, "longer than 1 s", soon) == b"begun"
        assert server.programs[0].killed.is_set()


def test_a_service_that_only_says_wait_is_not_asked_without_pause() -> None:
    with WinrmServer(ENDLESS, ACCOUNTS, wait_s=0.001) as server:
        broken_batch(server, ErrorClass.TIMEOUT, "longer than 0.5 s", SOON)
        assert server.actions.count("Receive") < 8


# --- broken off ---


@pytest.mark.parametrize("action", ["Login", "Create"])
def test_a_connection_that_breaks_in_the_login(action: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, drop_after=10))
        open_error(server, ErrorClass.DROPPED)


@pytest.mark.parametrize("abruptly", [True, False])
@pytest.mark.parametrize("action", ["Command", "Send", "Receive"])
def test_a_connection_that_breaks_in_the_batch(action: str, abruptly: bool) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, drop_after=20, abruptly=abruptly))
        broken_batch(server, ErrorClass.DROPPED)


@pytest.mark.parametrize("action", ["Signal", "Delete"])
def test_a_connection_that_breaks_in_the_goodbye(action: str) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action=action, drop_after=20))
        with session_at(server) as session:
            assert run(session) == b"done\n"
        assert server.shells == {}


def _cut_everywhere(step: int) -> None:
    with conversing() as server:
        size = 0
        while True:
            before = server.actions.count("Receive")
            server.trouble.append(Trouble(action="Receive", nth=before + 2, drop_after=size))
            got: list[bytes] = []
            started = time.monotonic()
            with session_at(server) as session:
                ended = _ended(session, got)
            assert server.shells == {}
            assert time.monotonic() - started < LIMIT_S
            if ended is None:
                assert got == [b"one", b"two"]
                break
            assert (ended, got) == (ErrorClass.DROPPED, [b"one"]), size
            size += step
        assert size > 1000  # it was cut within the answer, and often


def _ended(session: WinrmSession, got: list[bytes]) -> ErrorClass | None:
    try:
        got.extend(session.stream(b"script"))
    except TransportError as error:
        return error.error
    return None


def test_an_answer_cut_in_many_places_keeps_what_came_before() -> None:
    _cut_everywhere(149)


@pytest.mark.slow
def test_an_answer_cut_at_every_byte_keeps_what_came_before() -> None:
    _cut_everywhere(1)


@pytest.mark.parametrize("gently", [True, False])
@pytest.mark.parametrize("after", [50, 400, 1500, 3000])
def test_a_line_that_is_cut_for_good(after: int, gently: bool) -> None:
    with conversing() as server, relay(("127.0.0.1", server.port), cut_after=after, gently=gently) as line:

        def work() -> None:
            with session_at(server, port=line.port) as session:
                run(session)

        error_of(work, ErrorClass.DROPPED)


@pytest.mark.parametrize("after", [50, 1500])
def test_a_line_that_falls_silent(after: int) -> None:
    with conversing() as server, relay(("127.0.0.1", server.port), silent_after=after) as line:

        def work() -> None:
            with session_at(server, port=line.port, deadlines=SOON) as session:
                run(session)

        error_of(work, ErrorClass.TIMEOUT)


@pytest.mark.parametrize("status", [server_faults.ABORTED, server_faults.UNKNOWN_COMMAND])
def test_a_service_that_is_restarted_in_the_batch(status: Any) -> None:
    with conversing() as server:
        server.trouble.append(Trouble(action="Receive", nth=2, fault=status, lose_shells=True))
        assert broken_batch(server, ErrorClass.DROPPED) == b"one"


def test_text_sealed_for_an_older_connection_is_not_taken_amiss() -> None:
    with conversing() as server:
        server.trouble.append(Trouble(action="Receive", nth=2, page=Page(400, "")))
        assert broken_batch(server, ErrorClass.DROPPED, "lost the connection's encryption") == b"one"


def test_plain_text_is_not_believed_on_an_encrypted_connection() -> None:
    envelope = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>'
    with conversing() as server:
        server.trouble.append(
            Trouble(action="Receive", nth=2, page=Page(200, envelope, "application/soap+xml"))
        )
        assert broken_batch(server, ErrorClass.PROTOCOL, "plain text on an encrypted") == b"one"


def test_a_machine_that_is_gone_does_not_hold_up_the_goodbye() -> None:
    with WinrmServer(ENDLESS, ACCOUNTS) as server, session_at(server) as session:
        output = session.stream(b"")
        assert next(output) == b"begun"
        server.stop()
        error_of(lambda: next(output), ErrorClass.DROPPED)


# --- closed from here ---


@pytest.mark.parametrize("auth", ["ntlm", "basic"])
def test_a_closed_session_wakes_up_who_reads_from_it(auth: str) -> None:
    with WinrmServer(ENDLESS, ACCOUNTS, tls="valid" if auth == "basic" else None) as server:
        with session_at(server, auth=auth) as session:
            output = session.stream(b"")
            assert next(output) == b"begun"

            def close() -> None:
                started = time.monotonic()
                session.close()
                session.close()
                blocked.append(time.monotonic() - started)

            blocked: list[float] = []
            threading.Timer(0.1, close).start()
            error_of(lambda: next(output), ErrorClass.DROPPED, "closed from here")
            assert server.shells == {}
        assert blocked[0] < 0.3
        assert server.programs[0].killed.is_set()


def test_a_session_that_is_closed_between_two_answers() -> None:
    with WinrmServer(ENDLESS, ACCOUNTS) as server:
        with session_at(server) as session:
            output = session.stream(b"")
            assert next(output) == b"begun"
            session.close()
            error_of(lambda: next(output), ErrorClass.DROPPED, "closed from here")
        wait_until(lambda: not server.shells)
        assert server.logins == [("checkup", True)]


def test_a_session_that_is_closed_without_a_batch() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        with session_at(server):
            assert len(server.shells) == 1
        wait_until(lambda: not server.shells)
        with session_at(server) as session:
            pass
        wait_until(lambda: not server.shells)
        error_of(lambda: run(session), ErrorClass.DROPPED, "closed from here")


def test_a_goodbye_finds_its_connection_closed() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", close_after=True))
        with session_at(server):
            pass
        wait_until(lambda: not server.shells)


def test_a_reader_that_fails_leaves_no_shell() -> None:
    def read(session: WinrmSession) -> None:
        for _ in session.stream(b""):
            raise ZeroDivisionError

    with WinrmServer(ENDLESS, ACCOUNTS) as server:
        with session_at(server) as session, pytest.raises(ZeroDivisionError):
            read(session)
        wait_until(lambda: not server.shells)


def test_closing_at_any_moment_leaves_no_shell() -> None:
    with conversing() as server:
        for milliseconds in range(0, 60, 3):
            with session_at(server) as session:
                timer = threading.Timer(milliseconds / 1000, session.close)
                timer.start()
                assert _ended(session, []) in (None, ErrorClass.DROPPED)
                timer.join()
            wait_until(lambda: not server.shells)


def test_interrupting_at_any_moment_leaves_no_shell() -> None:
    with conversing() as server:
        for milliseconds in range(0, 60, 3):
            with session_at(server) as session:
                timer = threading.Timer(milliseconds / 1000, session.interrupt)
                timer.start()
                assert run(session) in (b"onetwo", b"one", b"")
                timer.join()
            assert server.shells == {}


# --- and beside all that ---


def test_what_was_seen_on_the_way_is_kept_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "wrong")
    facts = ConnectionFacts(transport="winrm")
    with WinrmServer(Machine(), ACCOUNTS) as server:
        caught = open_error(server, ErrorClass.AUTH, facts=facts)
    assert facts.reached and facts.server and facts.round_trip_s is not None
    assert (facts.error, facts.detail) == (ErrorClass.AUTH, caught.detail)


def test_nothing_is_printed_or_logged(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Receive", drop_after=20))
        broken_batch(server, ErrorClass.DROPPED)
        monkeypatch.setenv("TEST_PASSWORD", "wrong")
        open_error(server, ErrorClass.AUTH)
    assert capfd.readouterr() == ("", "")
    assert [str(warning.message) for warning in recwarn] == []
