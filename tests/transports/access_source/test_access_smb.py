# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
"""Samba itself: dialects, encryption, what others may do meanwhile, logins, what a server may do to us."""

from __future__ import annotations

import random
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from smbprotocol.connection import Connection
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    Open,
)
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from checkup.api import ErrorClass
from checkup.jet.source import SourceError, SourceErrorKind
from checkup.transports import ConnectionFacts, Credential, Deadlines, JumpHost, JumpPool, TransportError
from checkup.transports.access_source import Address, SmbAddress, open_smb
from tests.servers.relay import relay
from tests.servers.samba import PASSWORD, SHARE, Samba, needs_samba
from tests.servers.sshd import needs_sshd, sshd
from tests.transports.access_source.conftest import Disk, Opener, smb_disk
from tests.transports.access_source.smb_tampering import (
    COMMAND,
    FLAGS,
    HEADER,
    READ,
    SIGNATURE,
    SIGNED,
    tampering,
)
from tests.transports.conftest import connect_to, key_of

pytestmark = needs_samba

CONTENT = random.Random(4).randbytes(1024**2)
NAME = "clinic_be.accdb"
_READ_WRITE = FilePipePrinterAccessMask.GENERIC_READ | FilePipePrinterAccessMask.GENERIC_WRITE


def failure(call: Callable[[], object]) -> SourceErrorKind:
    with pytest.raises(SourceError) as caught:
        call()
    return caught.value.kind


def refusal(connect: Opener, disk: Disk, path: Path, **more: object) -> TransportError:
    with pytest.raises(TransportError) as caught:
        connect(disk, path, **more)  # pyright: ignore[reportArgumentType]
    assert PASSWORD not in caught.value.detail
    return caught.value


class Workstation:
    """Another client of the server, with a program that uses the same file."""

    def __init__(self, server: Samba) -> None:
        self.connection = Connection(uuid.uuid4(), "127.0.0.1", server.port)
        self.connection.connect(timeout=10)
        session = Session(
            self.connection, server.user, PASSWORD, require_encryption=False, auth_protocol="ntlm"
        )
        session.connect()
        self.tree = TreeConnect(session, rf"\\127.0.0.1\{SHARE}")
        self.tree.connect()

    def open(self, path: str, *, share: int = 7, disposition: int = CreateDisposition.FILE_OPEN) -> Open:
        """`share`: what others may do, 1 read, 2 write, 4 delete."""
        handle = Open(self.tree, path.replace("/", "\\"))
        handle.create(
            ImpersonationLevel.Impersonation,
            _READ_WRITE,
            0,
            share,
            disposition,
            CreateOptions.FILE_NON_DIRECTORY_FILE,
        )
        return handle

    def delete(self, path: str) -> None:
        handle = Open(self.tree, path.replace("/", "\\"))
        handle.create(
            ImpersonationLevel.Impersonation,
            FilePipePrinterAccessMask.DELETE,
            0,
            7,
            CreateDisposition.FILE_OPEN,
            CreateOptions.FILE_DELETE_ON_CLOSE,
        )
        handle.close()


@pytest.fixture
def workstation(smb: Disk) -> Iterator[Workstation]:
    assert isinstance(smb.server, Samba)
    other = Workstation(smb.server)
    yield other
    other.connection.disconnect()


# --- who else may do what ---------------------------------------------------------------------


def test_a_workstation_goes_on_reading_and_writing(
    smb: Disk, connect: Opener, workstation: Workstation
) -> None:
    files, at = connect(smb, smb.put(NAME, CONTENT))
    below = at.partition("/")[2]
    theirs = workstation.open(below, share=3)  # as Access opens a shared file
    source = files.open(at)
    theirs.write(b"while you look", 10)
    assert source.read([(10, 14)]) == [b"while you look"]
    late = workstation.open(below, share=3)
    assert late.write(b"and later", 99) == 9
    assert source.read([(99, 9)]) == [b"and later"]
    assert late.read(10, 14) == b"while you look"


def test_the_listing_of_the_server_itself_stays(smb: Disk, connect: Opener) -> None:
    assert isinstance(smb.server, Samba)
    path = smb.put(NAME, CONTENT)
    folder = path.parent.name
    before = smb.server.client(f"cd {folder}; ls; allinfo {NAME}")
    assert NAME in before
    files, at = connect(smb, path)
    source = files.open(at)
    while_open = smb.server.client(f"cd {folder}; ls; allinfo {NAME}")
    source.read([(0, len(CONTENT))])
    files.lock_file(at)
    source.close()
    after = smb.server.client(f"cd {folder}; ls; allinfo {NAME}")

    def lasting(shown: str) -> list[str]:  # without the time of the last reading and the disk's free space
        return [one for one in shown.splitlines() if "access_time" not in one and "blocks" not in one]

    assert lasting(before) == lasting(while_open) == lasting(after)


def test_a_compaction_finds_the_name_free_at_once(
    smb: Disk, connect: Opener, workstation: Workstation
) -> None:
    """What is deleted while we look stays until we let go: we do when we first hear of it."""
    files, at = connect(smb, smb.put(NAME, CONTENT))
    below = at.partition("/")[2]
    source = files.open(at)
    source.read([(0, 4096)])
    workstation.delete(below)
    with pytest.raises(SMBResponseException):  # STATUS_DELETE_PENDING
        workstation.open(below, disposition=CreateDisposition.FILE_CREATE)
    assert failure(lambda: source.read([(0, 4096)])) == "gone"
    workstation.open(below, disposition=CreateDisposition.FILE_CREATE).write(b"compacted")
    assert files.open(at).read([(0, 99)]) == [b"compacted"]


def test_a_file_that_somebody_has_for_himself_is_denied(
    smb: Disk, connect: Opener, workstation: Workstation
) -> None:
    files, at = connect(smb, smb.put(NAME, CONTENT))
    theirs = workstation.open(at.partition("/")[2], share=0)
    assert failure(lambda: files.open(at)) == "denied"
    theirs.close()
    assert files.open(at).read([(0, 4)]) == [CONTENT[:4]]


def test_the_lock_file_of_a_workstation_is_read_and_can_be_deleted(
    smb: Disk, connect: Opener, workstation: Workstation
) -> None:
    path = smb.put(NAME, CONTENT)
    files, at = connect(smb, path)
    lock = at.partition("/")[2].replace(".accdb", ".laccdb")
    theirs = workstation.open(lock, share=3, disposition=CreateDisposition.FILE_CREATE)
    theirs.write(b"WS-3")
    found = files.lock_file(at)
    assert found is not None
    assert found.content == b"WS-3"
    theirs.close()
    workstation.delete(lock)
    workstation.open(lock, disposition=CreateDisposition.FILE_CREATE).close()


# --- the protocol -----------------------------------------------------------------------------

ENCRYPTED = {"server smb encrypt": "required", "server min protocol": "SMB3_00"}


@pytest.mark.parametrize(
    ("options", "server", "protection"),
    [
        ({"server max protocol": "SMB2_02"}, "SMB 2.0.2", "signed"),
        ({"server max protocol": "SMB2_10"}, "SMB 2.1", "signed"),
        ({"server max protocol": "SMB3_00"}, "SMB 3.0", "signed"),
        ({"server max protocol": "SMB3_02"}, "SMB 3.0.2", "signed"),
        ({"server signing": "disabled"}, "SMB 3.1.1", "signed"),
        ({"smb2 max credits": "8", "smb2 max read": "65536"}, "SMB 3.1.1", "signed"),
        ({**ENCRYPTED, "server max protocol": "SMB3_00"}, "SMB 3.0", "encrypted"),
        (ENCRYPTED, "SMB 3.1.1", "encrypted"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value.values()),
)
def test_dialects_and_protection(
    connect: Opener, options: Mapping[str, str], server: str, protection: str
) -> None:
    with smb_disk(options=options) as disk:
        facts = ConnectionFacts(transport="smb")
        files, at = connect(disk, disk.put(NAME, CONTENT), facts=facts)
        source = files.open(at)
        ranges = [(0, len(CONTENT)), *((place, 4096) for place in range(0, len(CONTENT), 8192))]
        assert source.read(ranges) == [CONTENT[start : start + n] for start, n in ranges]
        disk.put("clinic_be.laccdb", b"WS-3")
        assert files.lock_file(at) is not None
        assert (facts.server, facts.algorithms) == (server, protection)
        assert (facts.reached, facts.error) == (True, None)
        assert facts.round_trip_s is not None


def test_a_share_that_is_encrypted_by_itself(connect: Opener) -> None:
    with smb_disk(share_options={"server smb encrypt": "required"}) as disk:
        files, at = connect(disk, disk.put(NAME, CONTENT))
        assert files.open(at).read([(5, 500_000)]) == [CONTENT[5:500_005]]


def test_a_round_of_more_than_may_be_under_way(smb: Disk, connect: Opener) -> None:
    files, at = connect(smb, smb.put(NAME, CONTENT))
    ranges = [(place % len(CONTENT), 2048) for place in range(0, 1500 * 4096, 4096)]
    assert files.open(at).read(ranges) == [CONTENT[start : start + n] for start, n in ranges]


@pytest.mark.sshd
@needs_sshd
def test_through_a_jump_host(smb: Disk, connect: Opener, tmp_path: Path) -> None:
    path = smb.put(NAME, CONTENT)
    address = smb.address(path)
    assert isinstance(address, SmbAddress)
    with sshd(tmp_path / "bastion") as bastion:
        pool = JumpPool({"bastion": JumpHost(connect=connect_to(bastion), credential=key_of(bastion))})
        facts = ConnectionFacts(transport="smb")
        files = open_smb(
            address.connect.model_copy(update={"jump": "bastion"}),
            credential=smb.credential,
            jump=pool,
            facts=facts,
        )
        try:
            assert files.open(address.connect.below).read([(3, 9)]) == [CONTENT[3:12]]
            assert facts.jump == "bastion"
        finally:
            files.close()
            pool.close()


# --- logging in -------------------------------------------------------------------------------


def test_a_wrong_password_is_offered_once(connect: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_WRONG", "wrong-password")
    with smb_disk() as disk:
        path = disk.put(NAME, CONTENT)
        credential = replace(disk.credential, password="env:TEST_WRONG")
        left: list[type[BaseException] | None] = []

        @contextmanager
        def gate(offered: Credential) -> Iterator[None]:
            try:
                yield
            except TransportError as error:
                left.append(type(error))
                raise

        address = disk.address(path)
        assert isinstance(address, SmbAddress)
        facts = ConnectionFacts(transport="smb")
        with pytest.raises(TransportError) as caught:
            open_smb(address.connect, credential=credential, gate=gate, facts=facts)
        assert caught.value.error is facts.error is ErrorClass.AUTH
        assert "wrong-password" not in caught.value.detail + facts.detail
        assert left == [TransportError]
        assert isinstance(disk.server, Samba)
        assert disk.server.log.count("NT_STATUS_WRONG_PASSWORD") == 1
        assert disk.server.log.count("Auth: [SMB2") == 1


@pytest.mark.parametrize("guests", ["Never", "Bad User"])
def test_an_unknown_account_is_no_guest(connect: Opener, guests: str) -> None:
    with smb_disk(options={"map to guest": guests}, share_options={"guest ok": "yes"}) as disk:
        path = disk.put(NAME, CONTENT)
        error = refusal(connect, disk, path, credential=replace(disk.credential, user="no-such-user"))
        assert error.error is ErrorClass.AUTH


def test_a_share_that_is_not_there_or_not_for_us(smb: Disk, connect: Opener) -> None:
    files, at = connect(smb, smb.put(NAME, CONTENT))
    assert failure(lambda: files.open(f"nothing/{NAME}")) == "gone"
    assert failure(lambda: files.open(f"closed/{NAME}")) == "denied"
    assert failure(lambda: files.open(NAME)) == "gone"
    assert failure(lambda: files.open("IPC$/x")) in ("gone", "denied", "broken")
    assert files.open(at).read([(0, 3)]) == [CONTENT[:3]]


# --- servers that are none, and others on the way -----------------------------------------------

SOON = Deadlines(connect_s=2, banner_s=0.5, handshake_s=0.5, auth_s=1)


@contextmanager
def talker(words: bytes, *, hang_up: bool) -> Iterator[int]:
    """Says something to whoever connects; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends: list[socket.socket] = []

        def serve() -> None:
            try:
                end, _ = listener.accept()
            except OSError:
                return
            ends.append(end)
            end.sendall(words)
            if hang_up:
                end.recv(65536)
                end.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        for end in ends:
            end.close()


@pytest.mark.parametrize(
    ("words", "hang_up", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, ErrorClass.PROTOCOL),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, ErrorClass.PROTOCOL),
        (b"\0\xff\xff\xff" + b"x" * 2_000_000, True, ErrorClass.PROTOCOL),  # 16 MB, before any login
        (b"\0\0\0\x50" + b"\xfeSMB" + bytes(76), False, ErrorClass.PROTOCOL),
        (b"\0\0\0\x05hello", False, ErrorClass.PROTOCOL),
        (b"", False, ErrorClass.TIMEOUT),
        (b"", True, ErrorClass.DROPPED),
        (b"\0\0", False, ErrorClass.TIMEOUT),
    ],
    ids=["ssh", "http", "endless", "zeros", "short", "mute", "hangs-up", "stops"],
)
def test_a_port_that_is_no_file_servers(
    smb: Disk, connect: Opener, words: bytes, hang_up: bool, error: ErrorClass
) -> None:
    path = smb.put(NAME, CONTENT)
    with talker(words, hang_up=hang_up) as port:
        assert refusal(connect, smb, path, port=port, deadlines=SOON).error is error


def test_a_server_that_knows_only_smb_1(connect: Opener) -> None:
    options = {"server min protocol": "NT1", "server max protocol": "NT1"}
    with smb_disk(options=options) as disk:
        error = refusal(connect, disk, disk.put(NAME, CONTENT), deadlines=SOON)
        assert error.error in (ErrorClass.DROPPED, ErrorClass.UNSUPPORTED, ErrorClass.PROTOCOL)
        assert "SMB" in error.detail


def test_a_login_that_is_not_answered(smb: Disk, connect: Opener) -> None:
    path = smb.put(NAME, CONTENT)
    with relay(("127.0.0.1", smb.server.port), silent_after=300) as link:  # the first answer only
        assert refusal(connect, smb, path, port=link.port, deadlines=SOON).error is ErrorClass.TIMEOUT


def _is_data(message: bytearray) -> bool:
    return message[COMMAND] == READ and len(message) > 1000


def unsigned(message: bytearray) -> None:
    if _is_data(message):
        message[FLAGS] &= ~SIGNED
        message[SIGNATURE] = bytes(16)


def altered(message: bytearray) -> None:
    if _is_data(message):
        message[HEADER + 99] ^= 1


def answers_nobody(message: bytearray) -> None:
    if _is_data(message):
        message[24:32] = bytes([9] * 8)  # the number of the question


def cut_short(message: bytearray) -> None:
    if _is_data(message):
        del message[HEADER + 6 :]


@pytest.mark.parametrize("change", [unsigned, altered, answers_nobody, cut_short])
def test_what_somebody_on_the_way_changed_is_not_believed(
    smb: Disk, connect: Opener, change: Callable[[bytearray], None]
) -> None:
    path = smb.put(NAME, CONTENT)
    with tampering(smb.server.port, change) as port:
        files, at = connect(smb, path, port=port, round_s=2)
        source = files.open(at)
        assert failure(lambda: source.read([(0, 4096)])) == "broken"
        assert failure(lambda: source.read([(0, 4096)])) == "broken"


def test_another_share_name_in_any_case_is_one_connection(smb: Disk, connect: Opener) -> None:
    path = smb.put(NAME, CONTENT)
    with relay(("127.0.0.1", smb.server.port)) as link:
        files, at = connect(smb, path, port=link.port)
        files.open(at)
        before = link.round_trips
        files.open(at.replace(SHARE, SHARE.upper()))
        assert link.round_trips - before == 1
        assert link.connections == 1


def elsewhere(**update: object) -> Callable[[Address], Address]:
    def change(address: Address) -> Address:
        assert isinstance(address, SmbAddress)
        return replace(address, connect=address.connect.model_copy(update=update))

    return change


def test_a_jump_host_that_nobody_described(smb: Disk, connect: Opener) -> None:
    path = smb.put(NAME, CONTENT)
    error = refusal(connect, smb, path, change=elsewhere(jump="bastion"))
    assert error.error is ErrorClass.UNREACHABLE


def test_a_password_is_never_used_for_kerberos(smb: Disk, connect: Opener) -> None:
    path = smb.put(NAME, CONTENT)
    with relay(("127.0.0.1", smb.server.port)) as link:
        error = refusal(connect, smb, path, port=link.port, change=elsewhere(auth="kerberos"))
        assert error.error in (ErrorClass.AUTH, ErrorClass.UNSUPPORTED)
        assert link.connections == 0
