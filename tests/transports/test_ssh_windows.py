"""A batch for Windows over SSH: PowerShell by a command line that every shell reads alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from checkup.api import ErrorClass
from checkup.batch.frames import FrameReader
from checkup.batch.powershell import LANGUAGE_MARK, SSH_COMMAND, SSH_FIRST_LINE, assemble, token_of
from checkup.batch.section import BatchSection
from checkup.transports import Deadlines, Session, open_session
from tests.servers.fake_ssh import FakeSsh
from tests.servers.sshd import needs_sshd, sshd
from tests.servers.windows_machine import WindowsMachine, install
from tests.transports.conftest import PASSWORD, PATIENT, connect_to, key_of
from tests.transports.winrm_sessions import error_of


@pytest.fixture
def session(fake: FakeSsh) -> Iterator[Session]:
    opened = open_session(
        connect_to(fake), platform="windows", credential=PASSWORD, deadlines=Deadlines(retry_pause_s=0.1)
    )
    yield opened
    opened.close()


def answers(fake: FakeSsh, stdout: bytes, stderr: bytes, status: int) -> None:
    def answer(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(stdout)
        channel.sendall_stderr(stderr)
        channel.send_exit_status(status)

    fake.handler = answer


def test_the_first_line_takes_the_rest_as_one_script(fake: FakeSsh, session: Session) -> None:
    def repeat(channel: paramiko.Channel, script: bytes) -> None:
        channel.sendall(script)
        channel.send_exit_status(0)

    fake.handler = repeat
    assert b"".join(session.stream(b"& {\n'x'\n}\n")) == SSH_FIRST_LINE + b"& {\n'x'\n}\n"
    assert fake.commands == [SSH_COMMAND]


def test_an_exit_status_alone_is_no_failure(fake: FakeSsh, session: Session) -> None:
    answers(fake, b"#CHECKUP frames", b"a warning", 1)
    assert b"".join(session.stream(b"")) == b"#CHECKUP frames"


MALICIOUS = b"+ FullyQualifiedErrorId : ScriptContainedMaliciousContent\r\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "status", "error", "words"),
    [
        (LANGUAGE_MARK + b"ConstrainedLanguage\r\n", b"", 86, ErrorClass.CONSTRAINED, "ConstrainedLanguage"),
        (LANGUAGE_MARK + b"NoLanguage\r\n", b"", 1, ErrorClass.CONSTRAINED, "NoLanguage"),
        (LANGUAGE_MARK + b"RestrictedLanguage\r\n", b"", 0, ErrorClass.CONSTRAINED, "RestrictedLanguage"),
        (b"", MALICIOUS, 1, ErrorClass.BLOCKED_BY_AV, "malicious"),
        (b"", b"'powershell.exe' is not recognized", 1, ErrorClass.UNSUPPORTED, "is not recognized"),
        (b"", b"", 255, ErrorClass.UNSUPPORTED, "it said nothing"),
    ],
)
def test_why_no_batch_ran(
    fake: FakeSsh,
    session: Session,
    stdout: bytes,
    stderr: bytes,
    status: int,
    error: ErrorClass,
    words: str,
) -> None:
    answers(fake, stdout, stderr, status)
    error_of(lambda: b"".join(session.stream(b"")), error, words)


@pytest.mark.sshd
@needs_sshd
@pytest.mark.parametrize("constrained", [False, True])
def test_a_real_openssh_server(tmp_path: Path, constrained: bool) -> None:
    machine = WindowsMachine(
        sections={"os": {"Caption": "Windows"}},
        language="ConstrainedLanguage" if constrained else "FullLanguage",
    )
    install(tmp_path / "programs", machine)
    path = f"{tmp_path / 'programs'}:/usr/bin:/bin"
    section = BatchSection(target="ws-3", name="os", version=1, script="@{}", timeout_s=5)
    script = assemble([section], site="cedar-ridge", endpoint="ws-3", checksums=False)
    with sshd(tmp_path / "sshd", options={"SetEnv": f"PATH={path} HOME={tmp_path}"}) as server:
        session = open_session(
            connect_to(server), platform="windows", credential=key_of(server), deadlines=PATIENT
        )
        try:
            if constrained:
                error_of(lambda: list(session.stream(script)), ErrorClass.CONSTRAINED)
                return
            frames = FrameReader(token_of(script)).feed(b"".join(session.stream(script)))
        finally:
            session.close()
    assert [frame.kind for frame in frames] == ["HELLO", "SECTION", "END"]
    assert json.loads(frames[1].payload) == {"Caption": "Windows"}
