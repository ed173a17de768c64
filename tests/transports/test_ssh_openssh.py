"""Against OpenSSH itself: a batch, its cost in round trips, host keys, agents, old algorithms."""

from __future__ import annotations

import getpass
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from checkup.api import ErrorClass
from checkup.transports import ConnectionFacts, Credential, Deadlines, TransportError, open_session
from tests.servers.relay import relay
from tests.servers.sshd import Sshd, make_key, needs_sshd, sshd
from tests.transports.conftest import TICKING, Opener, connect_to, key_of

pytestmark = [pytest.mark.sshd, needs_sshd]


def refusal(log_in: Opener, server: Sshd, **more: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        log_in(server, **more)
    return caught.value


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    with sshd(tmp_path / "sshd") as server:
        yield server


def test_a_batch_comes_back_whole_and_the_facts_are_filled_in(openssh: Sshd, log_in: Opener) -> None:
    session = log_in(openssh)
    assert b"".join(session.stream(b"echo hello; echo noise >&2; exit 3\n")) == b"hello\n"
    facts = session.facts
    assert facts.reached
    assert facts.address == f"127.0.0.1:{openssh.port}"
    assert facts.server.startswith("SSH-2.0-OpenSSH_")
    assert (facts.host_key, facts.host_key_check) == (openssh.host_key, "pinned")
    assert "ssh-ed25519" in facts.algorithms
    assert facts.round_trip_s is not None


def test_a_script_and_an_output_larger_than_any_buffer(openssh: Sshd, log_in: Opener) -> None:
    script = b"head -c 5000000 /dev/zero\n" + b"# padding of the script\n" * 20_000
    assert sum(map(len, log_in(openssh).stream(script))) == 5_000_000


@pytest.mark.parametrize("attempt", range(3))
def test_a_connect_and_a_batch_cost_few_round_trips(openssh: Sshd, log_in: Opener, attempt: int) -> None:
    with relay((openssh.address, openssh.port), delay_s=0.02) as line:
        session = open_session(connect_to(openssh, port=line.port), credential=key_of(openssh))
        output = b"".join(session.stream(b"yes 0123456789 | head -c 20000\n"))
        session.close()
    assert len(output) == 20_000
    assert line.round_trips <= 10, line.turns


def test_one_login_and_one_channel_a_machine(own_sshd: Sshd, log_in: Opener) -> None:
    assert b"".join(log_in(own_sshd).stream(b"echo one\n")) == b"one\n"
    assert (own_sshd.connections, own_sshd.logins, own_sshd.sessions) == (1, 1, 1)


def test_after_an_interrupt_the_rest_can_be_run(openssh: Sshd, log_in: Opener) -> None:
    session = log_in(openssh)
    for chunk in session.stream(b"echo begun; exec sleep 3\n"):
        assert chunk == b"begun\n"
        session.interrupt()
    assert b"".join(session.stream(b"echo rest\n")) == b"rest\n"


@pytest.mark.skipif(getpass.getuser() == "root", reason="OpenSSH passes no signal on to a shell of root")
@pytest.mark.parametrize("how", ["interrupt", "stop reading"])
def test_an_interrupted_batch_leaves_nothing_running_there(openssh: Sshd, log_in: Opener, how: str) -> None:
    session = log_in(openssh)
    processes: list[psutil.Process] = []
    for chunk in session.stream(b"sleep 20 & echo $$; echo $!; wait\n"):
        processes += [psutil.Process(int(number)) for number in chunk.split()]
        if how == "stop reading" and len(processes) == 2:
            break
        session.interrupt()
    assert not psutil.wait_procs(processes, timeout=3)[1]


def test_a_server_that_freezes_in_the_middle_holds_nobody_up(own_sshd: Sshd, log_in: Opener) -> None:
    session = log_in(own_sshd)
    output = iter(session.stream(TICKING))
    assert next(output).startswith(b"tick\n")
    own_sshd.freeze()
    session.interrupt()
    for _ in output:
        pass  # what was on its way
    session.close()


def test_a_frozen_server_takes_connections_and_says_nothing(own_sshd: Sshd, log_in: Opener) -> None:
    own_sshd.freeze()
    assert refusal(log_in, own_sshd, deadlines=Deadlines(banner_s=1)).error is ErrorClass.TIMEOUT
    own_sshd.thaw()


def test_a_killed_session_is_dropped_and_not_an_end(own_sshd: Sshd, log_in: Opener) -> None:
    output = iter(log_in(own_sshd).stream(TICKING))
    assert next(output).startswith(b"tick\n")
    own_sshd.kill_sessions()
    with pytest.raises(TransportError) as caught:
        list(output)
    assert caught.value.error is ErrorClass.DROPPED


def test_a_key_that_is_not_authorised_is_refused(openssh: Sshd, log_in: Opener, tmp_path: Path) -> None:
    stranger = Credential(name="stranger", user=openssh.user, key=str(make_key(tmp_path / "id")))
    assert refusal(log_in, openssh, credential=stranger).error is ErrorClass.AUTH


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_every_kind_of_key_with_a_passphrase_logs_in(
    log_in: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("TEST_PASSPHRASE", "a passphrase")
    key = make_key(tmp_path / "id", kind=kind, passphrase="a passphrase")
    with sshd(tmp_path / "sshd", key=key) as server:
        credential = Credential(name="c", user=server.user, key="~/id", passphrase="env:TEST_PASSPHRASE")
        assert b"".join(log_in(server, credential=credential).stream(b"echo in\n")) == b"in\n"
        log_in(server, credential=credential).close()


def known_hosts(home: Path, server: Sshd, kind: str, *, hashed: bool = False) -> None:
    path = home / ".ssh" / "known_hosts"
    path.parent.mkdir(exist_ok=True)
    public = (server.folder / f"host_{kind}.pub").read_text(encoding="utf-8")
    path.write_text(f"[{server.address}]:{server.port} {public}", encoding="utf-8")
    if hashed:
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", path], check=True, capture_output=True)


@pytest.mark.parametrize("hashed", [False, True])
def test_a_key_in_known_hosts_is_taken(openssh: Sshd, log_in: Opener, tmp_path: Path, hashed: bool) -> None:
    known_hosts(tmp_path, openssh, "ed25519", hashed=hashed)
    assert log_in(openssh, host_key_check="known_hosts").facts.host_key_check == "known_hosts"


def test_of_several_host_keys_the_known_one_is_asked_for(log_in: Opener, tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", host_key_kinds=("ed25519", "rsa")) as server:
        known_hosts(tmp_path, server, "rsa")
        facts = log_in(server, host_key_check="known_hosts").facts
        assert (facts.host_key, facts.host_key_check) == (server.host_keys["rsa"], "known_hosts")


def test_a_machine_set_up_anew_is_refused(
    openssh: Sshd, own_sshd: Sshd, log_in: Opener, tmp_path: Path
) -> None:
    known_hosts(tmp_path, openssh, "ed25519")
    path = tmp_path / ".ssh" / "known_hosts"
    path.write_text(path.read_text("utf-8").replace(str(openssh.port), str(own_sshd.port)), encoding="utf-8")
    error = refusal(log_in, own_sshd, host_key_check="known_hosts")
    assert error.error is ErrorClass.HOST_KEY
    assert openssh.host_key in error.detail
    assert f'host_key: "{own_sshd.host_key}"' in error.detail
    assert own_sshd.logins == 0


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"KexAlgorithms": "diffie-hellman-group14-sha1"}, "key exchange"),
        ({"HostKeyAlgorithms": "ssh-rsa"}, "host key"),
        ({"MACs": "umac-64@openssh.com"}, "MAC"),
    ],
)
def test_a_server_with_only_obsolete_algorithms(
    log_in: Opener, tmp_path: Path, options: dict[str, str], kind: str
) -> None:
    facts = ConnectionFacts(transport="ssh")
    with sshd(tmp_path / "sshd", options=options, host_key_kinds=("rsa",)) as server:
        error = refusal(log_in, server, facts=facts)
    assert error.error is ErrorClass.UNSUPPORTED
    assert f"only obsolete algorithms for the {kind}" in error.detail
    assert facts.offers_only_obsolete
    assert facts.algorithms == f"{kind}: {next(iter(options.values()))}"


def test_a_server_that_is_only_stricter_than_we_are_is_not_called_obsolete(
    log_in: Opener, tmp_path: Path
) -> None:
    facts = ConnectionFacts(transport="ssh")
    with sshd(tmp_path / "sshd", options={"Ciphers": "chacha20-poly1305@openssh.com"}) as server:
        assert refusal(log_in, server, facts=facts).error is ErrorClass.UNSUPPORTED
    assert not facts.offers_only_obsolete


def test_a_server_with_no_room_for_a_session_says_so(log_in: Opener, tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", options={"MaxSessions": "0"}) as server:
        session = log_in(server)
        with pytest.raises(TransportError) as caught:
            b"".join(session.stream(b""))
    assert caught.value.error is ErrorClass.QUOTA


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    while not path.exists():
        time.sleep(0.01)
    yield path
    process.terminate()
    process.wait(5)


def ssh_add(key: Path) -> None:
    subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True, env=dict(os.environ))


def test_the_keys_of_an_agent_are_offered_until_one_is_taken(
    openssh: Sshd, log_in: Opener, agent: Path, tmp_path: Path
) -> None:
    ssh_add(make_key(tmp_path / "stranger"))
    ssh_add(openssh.key)
    log_in(openssh, credential=Credential(name="a", user=openssh.user, agent=True))


def test_of_an_agent_with_many_keys_the_named_one_is_offered(
    openssh: Sshd, log_in: Opener, agent: Path, tmp_path: Path
) -> None:
    for number in range(5):
        ssh_add(make_key(tmp_path / f"stranger{number}"))
    ssh_add(openssh.key)
    error = refusal(log_in, openssh, credential=Credential(name="a", user=openssh.user, agent=True))
    assert "holds 6 keys" in error.detail
    log_in(openssh, credential=Credential(name="a", user=openssh.user, agent=True, key=str(openssh.key)))


def test_silence_is_broken_before_a_firewall_forgets_the_connection(openssh: Sshd) -> None:
    with relay((openssh.address, openssh.port)) as line:
        deadlines = Deadlines(keepalive_s=1)
        session = open_session(
            connect_to(openssh, port=line.port), credential=key_of(openssh), deadlines=deadlines
        )
        before = line.client_bytes
        deadline = time.monotonic() + 10
        while line.client_bytes == before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert line.client_bytes > before
        session.close()
