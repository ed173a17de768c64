"""Machines behind a jump host: one connection to it, whatever the number of machines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from checkup.api import ErrorClass
from checkup.transports import ConnectionFacts, Credential, JumpHost, JumpPool, TransportError
from tests.servers.fake_ssh import FakeSsh
from tests.servers.sshd import Sshd, needs_sshd, sshd
from tests.transports.conftest import PASSWORD, PATIENT, TICKING, Opener, connect_to, key_of


@contextmanager
def pool_of(server: Sshd | FakeSsh, **more: object) -> Iterator[JumpPool]:
    credential = key_of(server) if isinstance(server, Sshd) else PASSWORD
    pool = JumpPool(
        {"bastion": JumpHost(connect=connect_to(server, **more), credential=credential)}, deadlines=PATIENT
    )
    try:
        yield pool
    finally:
        pool.close()


def refusal(log_in: Opener, server: Sshd | FakeSsh, pool: JumpPool, **more: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        log_in(server, jump=pool, **{"jump_": "bastion", **more})
    return caught.value


@pytest.mark.sshd
@needs_sshd
def test_many_machines_share_one_connection_to_the_jump_host(log_in: Opener, tmp_path: Path) -> None:
    with ExitStack() as stack:
        bastion = stack.enter_context(sshd(tmp_path / "bastion", address="127.0.0.2"))
        inside = [stack.enter_context(sshd(tmp_path / f"{n}", address="127.0.0.3")) for n in range(4)]
        pool = stack.enter_context(pool_of(bastion))

        def run(server: Sshd) -> bytes:
            session = log_in(server, jump=pool, jump_="bastion")
            assert session.facts.jump == "bastion"
            output = b"".join(session.stream(f"echo {server.port}; head -c 100000 /dev/zero\n".encode()))
            session.close()
            return output

        with ThreadPoolExecutor(4) as threads:
            outputs = list(threads.map(run, inside))
        assert outputs == [b"%d\n" % server.port + bytes(100_000) for server in inside]
        assert (bastion.connections, bastion.logins, bastion.sessions) == (1, 1, 0)
        assert [server.logins for server in inside] == [1, 1, 1, 1]
        assert pool.facts["bastion"].host_key == bastion.host_key


@pytest.mark.sshd
@needs_sshd
def test_a_jump_host_that_cannot_reach_the_machine_says_so(
    openssh: Sshd, log_in: Opener, fake: FakeSsh
) -> None:
    with pool_of(openssh) as pool:
        error = refusal(log_in, fake, pool, port=1)
    assert error.error is ErrorClass.UNREACHABLE
    assert error.detail.startswith("jump host bastion: cannot reach 127.0.0.1:1")


@pytest.mark.sshd
@needs_sshd
def test_a_jump_host_that_does_not_forward_says_so(log_in: Opener, fake: FakeSsh, tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", options={"AllowTcpForwarding": "no"}) as server, pool_of(server) as pool:
        error = refusal(log_in, fake, pool)
    assert error.error is ErrorClass.DENIED
    assert "AllowTcpForwarding" in error.detail


@pytest.mark.sshd
@needs_sshd
def test_the_host_key_behind_the_jump_host_is_checked_too(openssh: Sshd, log_in: Opener) -> None:
    with pool_of(openssh) as pool:
        error = refusal(log_in, openssh, pool, host_key_check="known_hosts")
    assert error.error is ErrorClass.HOST_KEY


@pytest.mark.sshd
@needs_sshd
def test_a_jump_host_that_breaks_down_drops_who_is_behind(
    openssh: Sshd, log_in: Opener, tmp_path: Path
) -> None:
    with sshd(tmp_path / "sshd") as bastion, pool_of(bastion) as pool:
        session = log_in(openssh, jump=pool, jump_="bastion")
        output = iter(session.stream(TICKING))
        assert next(output).startswith(b"tick\n")
        bastion.stop()
        with pytest.raises(TransportError) as caught:
            list(output)
        assert caught.value.error is ErrorClass.DROPPED
        later = refusal(log_in, openssh, pool)
    assert later.error is ErrorClass.UNREACHABLE
    assert later.detail.startswith("jump host bastion: ")


@pytest.mark.sshd
@needs_sshd
def test_a_broken_connection_to_the_jump_host_is_made_anew(
    openssh: Sshd, log_in: Opener, tmp_path: Path
) -> None:
    with sshd(tmp_path / "sshd") as bastion, pool_of(bastion) as pool:
        first = iter(log_in(openssh, jump=pool, jump_="bastion").stream(TICKING))
        next(first)
        bastion.kill_sessions()
        with pytest.raises(TransportError):
            list(first)
        assert b"".join(log_in(openssh, jump=pool, jump_="bastion").stream(b"echo in\n")) == b"in\n"
        assert bastion.logins == 2
        pool.close()
        assert refusal(log_in, openssh, pool).error is ErrorClass.DROPPED


def test_one_failed_login_at_the_jump_host_is_the_failure_of_all_behind_it(
    log_in: Opener, fake: FakeSsh
) -> None:
    fake.password = "another"
    with pool_of(fake) as pool, ThreadPoolExecutor(8) as threads:
        errors = list(threads.map(lambda _: refusal(log_in, fake, pool), range(8)))
    assert {error.error for error in errors} == {ErrorClass.AUTH}
    assert all(error.detail.startswith("jump host bastion: ") for error in errors)
    assert len(fake.attempts) == 1


def test_the_login_at_the_jump_host_goes_through_the_gate(log_in: Opener, fake: FakeSsh) -> None:
    seen: list[str] = []

    @contextmanager
    def gate(credential: Credential) -> Iterator[None]:
        seen.append(f"{credential.name} in {threading.current_thread().name}")
        yield

    hosts = {"bastion": JumpHost(connect=connect_to(fake), credential=PASSWORD)}
    pool = JumpPool(hosts, gate=gate, deadlines=PATIENT)
    refusal(log_in, fake, pool)  # it forwards nothing
    pool.close()
    assert seen == ["legacy in MainThread"]


def test_what_the_site_file_does_not_describe_or_nests_is_refused(log_in: Opener, fake: FakeSsh) -> None:
    nested = JumpHost(connect=connect_to(fake, jump="bastion"), credential=PASSWORD)
    for hosts, says in (({}, "describes no host"), ({"bastion": nested}, "behind a jump host itself")):
        assert says in refusal(log_in, fake, JumpPool(hosts, deadlines=PATIENT)).detail
    facts = ConnectionFacts(transport="ssh")
    with pytest.raises(TransportError, match="not described"):
        log_in(fake, jump_="bastion", facts=facts)
    assert fake.attempts == []
