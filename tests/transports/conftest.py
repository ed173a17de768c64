from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.servers

from checkup.transports import Credential, Deadlines, Session, open_session, ssh
from tests.servers.fake_ssh import FakeSsh, fake_ssh
from tests.servers.sshd import PROGRAM, Sshd, sshd

# For servers that answer, and for servers that stand still: a busy machine must not look like those.
PATIENT = Deadlines(retry_pause_s=0.1)
SOON = Deadlines(banner_s=1, handshake_s=1, auth_s=1, channel_s=1, retry_pause_s=0.1)

# A batch without end, which ends by itself once nobody listens any more.
TICKING = b"while echo tick; do sleep 0.2; done\n"

PASSWORD = Credential(name="legacy", user="admin", password="env:TEST_PASSWORD")


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 3
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


@pytest.fixture(autouse=True)
def nobody_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own, without known_hosts and without an agent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("TEST_PASSWORD", "right")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One real server for all tests that do it no harm."""
    if PROGRAM is None:
        pytest.skip("needs OpenSSH's sshd")
    with sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def fake() -> Iterator[FakeSsh]:
    with fake_ssh() as server:
        yield server


def key_of(server: Sshd) -> Credential:
    return Credential(name="linux", user=server.user, key=str(server.key))


def connect_to(server: Sshd | FakeSsh, **more: object) -> ssh.Connect:
    """The site file's `connect:` for a test server; its host key is pinned unless `more` says else."""
    pin = {} if "host_key_check" in more else {"host_key": pin_of(server)}
    address = server.address if isinstance(server, Sshd) else "127.0.0.1"
    return ssh.Connect.model_validate(
        {"transport": "ssh", "host": address, "port": server.port, **pin, **more}
    )


def pin_of(server: Sshd | FakeSsh) -> str:
    return server.host_key if isinstance(server, Sshd) else server.host_key.fingerprint


Opener = Callable[..., Session]


@pytest.fixture
def log_in() -> Iterator[Opener]:
    """Opens a session, and closes it after the test."""
    opened: list[Session] = []

    def opener(server: Sshd | FakeSsh, **more: object) -> Session:
        arguments: dict[str, object] = {
            "credential": key_of(server) if isinstance(server, Sshd) else PASSWORD,
            "deadlines": PATIENT,
        }
        named = {
            name: more.pop(name)
            for name in ("credential", "gate", "deadlines", "jump", "facts")
            if name in more
        }
        if "jump_" in more:  # `jump` is the pool here, `jump_` the name in the site file
            more["jump"] = more.pop("jump_")
        session = open_session(connect_to(server, **more), **{**arguments, **named})  # pyright: ignore[reportArgumentType]
        opened.append(session)
        return session

    yield opener
    for session in opened:
        session.close()
