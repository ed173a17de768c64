"""Every trouble on the way ends within its deadline, under its right name, and leaves nothing running."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import paramiko
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkup.api import ErrorClass
from checkup.transports import (
    ConnectionFacts,
    Credential,
    Deadlines,
    Session,
    TransportError,
    open_session,
    ssh,
)
from checkup.transports import ssh_session as sessions
from tests.servers.fake_ssh import FakeSsh, listening
from tests.servers.relay import relay
from tests.servers.sshd import Sshd, needs_sshd
from tests.transports.conftest import PASSWORD, PATIENT, SOON, Opener, connect_to

LIMIT_S = 10.0  # longer than a busy machine takes, shorter than the deadlines of PATIENT


def error_of(work: Callable[[], object]) -> TransportError:
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        work()
    assert time.monotonic() - started < LIMIT_S
    assert "\n" not in caught.value.detail
    return caught.value


def run(session: Session) -> bytes:
    return b"".join(session.stream(b"echo hello\n"))


def open_at(port: int, deadlines: Deadlines = PATIENT) -> Session:
    connect = ssh.Connect(transport="ssh", host="127.0.0.1", port=port, host_key_check="ignore")
    return open_session(connect, credential=PASSWORD, deadlines=deadlines)


def greeting(text: bytes, *, then_close: bool = False) -> Callable[[socket.socket], None]:
    def serve(client: socket.socket) -> None:
        client.sendall(text)
        if then_close:
            client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass

    return serve


@pytest.mark.parametrize(
    ("said", "error", "detail"),
    [
        (b"", ErrorClass.TIMEOUT, "says nothing for 1 s"),
        (b"SSH-2.0-Open", ErrorClass.TIMEOUT, "in the middle of its greeting"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", ErrorClass.TIMEOUT, "stopped in the key exchange"),
        (b"220 mail.example ESMTP\r\n", ErrorClass.PROTOCOL, "It says: 220 mail.example ESMTP"),
        (b"SSH-1.5-Cisco-1.25\r\n", ErrorClass.UNSUPPORTED, "only the first SSH protocol"),
        (
            b"SSH-2.0-OpenSSH_9.9\r\n" + b"\0\0\0\x14\x04" + b"junk" * 400,
            ErrorClass.PROTOCOL,
            "breaks the SSH protocol",
        ),
        (b"SSH-2.0-OpenSSH_9.9\r\n" + b"\xff" * 64, ErrorClass.PROTOCOL, "breaks the SSH protocol"),
        (b"\x80\xff\xfe\x1b[31mgarbage\r\n", ErrorClass.PROTOCOL, "no SSH 2 server"),
        (b"x" * 2_000_000, ErrorClass.PROTOCOL, "no SSH 2 server"),
    ],
)
def test_a_server_that_then_stands_still(said: bytes, error: ErrorClass, detail: str) -> None:
    with listening(greeting(said)) as port:
        caught = error_of(lambda: open_at(port, SOON))
    assert (caught.error, detail in caught.detail) == (error, True), caught
    assert "\x1b" not in caught.detail


@pytest.mark.parametrize(
    ("said", "error", "detail"),
    [
        (b"", ErrorClass.DROPPED, "hung up before its greeting, twice"),
        (b"Exceeded MaxStartups\r\n", ErrorClass.DROPPED, "hung up before its greeting, twice"),
        (b"Not allowed at this time\r\n", ErrorClass.DENIED, "bars this station"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ErrorClass.PROTOCOL, "It says: HTTP/1.1 400 Bad Request"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", ErrorClass.DROPPED, "ended the connection during the key exchange"),
    ],
)
def test_a_server_that_then_hangs_up(said: bytes, error: ErrorClass, detail: str) -> None:
    with listening(greeting(said, then_close=True)) as port:
        caught = error_of(lambda: open_at(port))
    assert (caught.error, detail in caught.detail) == (error, True), caught


def test_a_server_that_was_too_busy_once_is_tried_again(fake: FakeSsh) -> None:
    tries: list[socket.socket] = []

    def busy_once(client: socket.socket) -> None:
        tries.append(client)
        if len(tries) == 1:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        else:
            fake.serve(client)

    with listening(busy_once) as port:
        open_at(port).close()
        fake.stopped.set()
    assert len(tries) == 2


def test_nobody_there(log_in: Opener) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        caught = error_of(lambda: open_at(nobody.getsockname()[1]))
    assert caught.error is ErrorClass.UNREACHABLE


@pytest.mark.parametrize("after", [30, 600, 1300])
def test_a_line_that_falls_silent_in_the_handshake(fake: FakeSsh, after: int) -> None:
    with relay(("127.0.0.1", fake.port), silent_after=after) as line:
        caught = error_of(lambda: open_at(line.port, SOON))
    assert caught.error is ErrorClass.TIMEOUT


@pytest.mark.parametrize("gently", [True, False])
@pytest.mark.parametrize("after", [30, 600, 1300])
def test_a_line_that_is_cut_in_the_handshake(fake: FakeSsh, after: int, gently: bool) -> None:
    with relay(("127.0.0.1", fake.port), cut_after=after, gently=gently) as line:
        caught = error_of(lambda: open_at(line.port))
    assert caught.error is ErrorClass.DROPPED


def test_a_login_without_an_answer_is_a_timeout_and_no_refusal(log_in: Opener, fake: FakeSsh) -> None:
    fake.hold = "auth"
    caught = error_of(lambda: log_in(fake, deadlines=Deadlines(auth_s=0.5)))
    assert caught.error is ErrorClass.TIMEOUT


def test_a_shell_that_is_never_started_is_a_timeout(log_in: Opener, fake: FakeSsh) -> None:
    fake.hold = "exec"
    session = log_in(fake, deadlines=Deadlines(channel_s=1))
    assert error_of(lambda: run(session)).error is ErrorClass.TIMEOUT


@pytest.mark.parametrize("what", ["session", "exec"])
def test_an_account_that_may_run_nothing_is_denied(log_in: Opener, fake: FakeSsh, what: str) -> None:
    fake.refuse = (what,)
    session = log_in(fake)
    assert error_of(lambda: run(session)).error is ErrorClass.DENIED


def half(channel: paramiko.Channel, script: bytes) -> None:
    channel.sendall(b"the first half")


def test_output_that_ends_without_an_exit_status_is_dropped(log_in: Opener, fake: FakeSsh) -> None:
    fake.handler = half
    got: list[bytes] = []
    session = log_in(fake)
    caught = error_of(lambda: got.extend(session.stream(b"")))
    assert caught.error is ErrorClass.DROPPED
    assert b"".join(got) == b"the first half"


@pytest.mark.parametrize("gently", [True, False])
def test_a_line_cut_in_the_middle_of_the_output_is_dropped(fake: FakeSsh, gently: bool) -> None:
    got: list[bytes] = []

    def pour(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(b"x" * 100_000)
        channel.send_exit_status(0)

    fake.handler = pour
    with relay(("127.0.0.1", fake.port), cut_after=50_000, gently=gently) as line:
        session = open_at(line.port)
        caught = error_of(lambda: got.extend(session.stream(b"")))
        session.close()
    assert caught.error is ErrorClass.DROPPED
    assert len(b"".join(got)) < 50_000


def test_a_batch_that_never_ends_is_ended(log_in: Opener, fake: FakeSsh) -> None:
    def hang(channel: paramiko.Channel, script: bytes) -> None:
        fake.stopped.wait()

    fake.handler = hang
    session = log_in(fake, deadlines=Deadlines(batch_s=0.5))
    assert error_of(lambda: run(session)).error is ErrorClass.TIMEOUT


def test_an_interrupt_from_another_thread_ends_the_batch_and_not_the_connection(
    log_in: Opener, fake: FakeSsh
) -> None:
    def first_hang(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(b"begun")
        if script == b"hang":
            fake.stopped.wait()
        channel.send_exit_status(0)

    fake.handler = first_hang
    session = log_in(fake)
    for chunk in session.stream(b"hang"):
        assert chunk == b"begun"
        session.interrupt()
    assert b"".join(session.stream(b"rest")) == b"begun"


def test_a_flood_is_cut_off(log_in: Opener, fake: FakeSsh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "OUTPUT_LIMIT", 1_000_000)

    def flood(channel: paramiko.Channel, script: bytes) -> None:
        while True:
            channel.sendall(b"x" * 32_000)

    fake.handler = flood
    session = log_in(fake)
    assert error_of(lambda: run(session)).error is ErrorClass.BAD_OUTPUT


def test_a_flood_of_complaints_does_not_stop_the_output(log_in: Opener, fake: FakeSsh) -> None:
    def complain(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall_stderr(b"complaint\n" * 400_000)  # more than a window
        channel.sendall(b"done")
        channel.send_exit_status(0)

    fake.handler = complain
    session = log_in(fake)
    assert run(session) == b"done"


def test_a_process_left_behind_does_not_hold_us_up(
    log_in: Opener, fake: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave_one_behind(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(b"done")
        channel.send_exit_status(0)
        fake.stopped.wait()

    monkeypatch.setattr(sessions, "LINGER_S", 0.1)
    fake.handler = leave_one_behind
    assert run(log_in(fake)) == b"done"


def test_a_shell_that_is_none_says_why(log_in: Opener, fake: FakeSsh) -> None:
    def no_shell(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall_stderr(b"'sh' is not\x1b[31m recognized\r\nas a program")
        channel.send_exit_status(1)

    fake.handler = no_shell
    session = log_in(fake)
    caught = error_of(lambda: run(session))
    assert caught.error is ErrorClass.UNSUPPORTED
    assert "exit status 1" in caught.detail
    assert "'sh' is not‹U+001B›[31m recognized as a program" in caught.detail


def test_a_closed_session_wakes_up_who_reads_from_it(log_in: Opener, fake: FakeSsh) -> None:
    def begin(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(b"begun")
        fake.stopped.wait()

    fake.handler = begin
    session = log_in(fake)
    output = session.stream(b"")
    assert next(output) == b"begun"
    session.close()
    session.close()
    assert error_of(lambda: next(output)).error is ErrorClass.DROPPED


def test_what_was_seen_on_the_way_is_kept_when_it_fails(fake: FakeSsh) -> None:
    facts = ConnectionFacts(transport="ssh")
    connect = connect_to(fake, host_key_check="known_hosts")
    error_of(lambda: open_session(connect, credential=PASSWORD, deadlines=PATIENT, facts=facts))
    assert facts.reached
    assert facts.error is ErrorClass.HOST_KEY
    assert facts.host_key == fake.host_key.fingerprint
    assert facts.server.startswith("SSH-2.0-paramiko")
    assert facts.round_trip_s is not None


def test_packets_without_end_are_cut_off(
    log_in: Opener, fake: FakeSsh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complain(channel: paramiko.Channel, script: bytes) -> None:
        while True:
            channel.sendall_stderr(b"x" * 32_000)

    monkeypatch.setattr(sessions, "ALLOWANCE", 1_000_000)
    fake.handler = complain
    session = log_in(fake)
    assert error_of(lambda: run(session)).error is ErrorClass.BAD_OUTPUT


def test_a_server_that_does_not_wait_for_the_gate_has_refused_nothing(log_in: Opener, fake: FakeSsh) -> None:
    @contextmanager
    def slow_gate(credential: Credential) -> Iterator[None]:
        line.cut()
        time.sleep(0.3)
        yield

    with relay(("127.0.0.1", fake.port)) as line:
        caught = error_of(lambda: log_in(fake, port=line.port, gate=slow_gate))
    assert caught.error is ErrorClass.DROPPED
    assert fake.attempts == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([b"", b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n\0\0\2\xfc\4\x14"]), st.binary(max_size=1500))
def test_whatever_a_server_says_has_a_name(start: bytes, rest: bytes) -> None:
    with listening(greeting(start + rest, then_close=True)) as port:
        caught = error_of(lambda: open_at(port))
    assert caught.error in {
        ErrorClass.DROPPED,
        ErrorClass.PROTOCOL,
        ErrorClass.UNSUPPORTED,
        ErrorClass.DENIED,  # for an OpenSSH that bars us, in its own words
    }


@pytest.mark.sshd
@needs_sshd
def test_nothing_is_logged(openssh: Sshd, log_in: Opener, capfd: pytest.CaptureFixture[str]) -> None:
    with listening(greeting(b"SSH-2.0-x\r\n" + b"\xff" * 64)) as port:
        error_of(lambda: open_at(port))
    assert capfd.readouterr() == ("", "")
