from __future__ import annotations

from pathlib import Path

import pytest

from checkup.api import ErrorClass
from checkup.batch import posix, powershell
from checkup.batch.frames import Frame, encode_stream
from checkup.transports import ConnectionFacts, TransportError, bundle, open_session
from checkup.transports.bundle_file import digest


def connect(file: Path | str, sha256: str | None = None) -> bundle.Connect:
    return bundle.Connect(transport="bundle", file=Path(file), sha256=sha256)


def answer(endpoint: str) -> bytes:
    frame = Frame(kind="SECTION", target=endpoint, section="volumes", version=1, payload=b"seen\n")
    return encode_stream({"site": "harbour", "endpoint": endpoint}, [frame])


def batch_for(endpoint: str, platform: str = "windows") -> bytes:
    shell = powershell if platform == "windows" else posix
    return shell.assemble([], site="harbour", endpoint=endpoint)


def test_the_bytes_of_the_file_come_back_and_the_script_goes_nowhere(tmp_path: Path) -> None:
    (tmp_path / "ws-1.bundle").write_bytes(b"#CHECKUP\n" * 300_000)
    session = open_session(connect("ws-1.bundle"), base=tmp_path)
    assert b"".join(session.stream(b"exit 1")) == b"#CHECKUP\n" * 300_000
    assert session.facts.reached


def test_an_interrupt_ends_the_reading(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(bytes(3 * bundle.CHUNK))
    session = open_session(connect(tmp_path / "b"))
    chunks = 0
    for _ in session.stream(b""):
        chunks += 1
        session.interrupt()
    assert chunks == 1


def test_a_missing_file_is_unreachable_and_says_how_to_make_it(tmp_path: Path) -> None:
    facts = ConnectionFacts(transport="bundle")
    with pytest.raises(TransportError, match=r"was not brought yet"):
        open_session(connect("missing"), base=tmp_path, facts=facts)
    assert (facts.error, facts.reached) == (ErrorClass.UNREACHABLE, False)


def test_a_folder_and_a_file_that_is_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "OUTPUT_LIMIT", 10)
    (tmp_path / "large").write_bytes(bytes(11))
    for file in (tmp_path, tmp_path / "large"):
        with pytest.raises(TransportError) as caught:
            open_session(connect(file))
        assert caught.value.error is ErrorClass.BAD_OUTPUT


def test_a_file_is_the_one_that_is_meant_or_none(tmp_path: Path) -> None:
    file = tmp_path / "b"
    file.write_bytes(answer("ws-1"))
    assert open_session(connect(file, digest(answer("ws-1")))).facts.reached
    with pytest.raises(TransportError) as caught:
        open_session(connect(file, "0" * 64))
    assert caught.value.error is ErrorClass.IDENTITY


@pytest.mark.parametrize("platform", ["windows", "posix"])
def test_of_several_machines_the_one_that_the_batch_is_for_is_read(tmp_path: Path, platform: str) -> None:
    (tmp_path / "round").write_bytes(answer("ws-1") + answer("ws-2") + answer("ws-3"))
    session = open_session(connect(tmp_path / "round"))
    assert b"".join(session.stream(batch_for("ws-2", platform))) == answer("ws-2")


def test_a_machine_that_the_file_says_nothing_of_is_not_reached(tmp_path: Path) -> None:
    (tmp_path / "round").write_bytes(answer("ws-1") + answer("ws-2"))
    session = open_session(connect(tmp_path / "round"))
    with pytest.raises(TransportError, match="holds the answer of ws-1, ws-2, not of ws-7") as caught:
        list(session.stream(batch_for("ws-7")))
    assert caught.value.error is ErrorClass.UNREACHABLE
    assert not session.facts.reached


def test_a_machine_that_the_round_did_not_reach_keeps_its_error_class(tmp_path: Path) -> None:
    (tmp_path / "round").write_bytes(answer("ws-1") + b"#CHECKUP-UNREACHED ws-2 denied by WinRM: no\n")
    session = open_session(connect(tmp_path / "round"))
    with pytest.raises(TransportError, match="by WinRM: no") as caught:
        list(session.stream(batch_for("ws-2")))
    assert caught.value.error is ErrorClass.DENIED
    assert not session.facts.reached


def test_what_came_before_the_line_broke_is_given_first(tmp_path: Path) -> None:
    cut = answer("ws-2")[:-60]
    (tmp_path / "round").write_bytes(answer("ws-1") + cut + b"\n#CHECKUP-UNREACHED ws-2 dropped asleep\n")
    session = open_session(connect(tmp_path / "round"))
    came: list[bytes] = []
    with pytest.raises(TransportError, match="asleep"):
        came.extend(session.stream(batch_for("ws-2")))
    assert b"".join(came).startswith(cut)
    assert session.facts.reached


def test_the_address_tells_the_report_what_the_import_found(tmp_path: Path) -> None:
    (tmp_path / "ws-1.bundle").write_bytes(answer("ws-1"))
    file = tmp_path / "ws-1.bundle"
    imported = bundle.Imported(transport="bundle", file=file, remark="made by another plan")
    assert open_session(imported).facts.address == "ws-1.bundle (made by another plan)"
