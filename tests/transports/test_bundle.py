from __future__ import annotations

from pathlib import Path

import pytest

from checkup.api import ErrorClass
from checkup.transports import ConnectionFacts, TransportError, bundle, open_session


def connect(file: Path | str) -> bundle.Connect:
    return bundle.Connect(transport="bundle", file=Path(file))


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
    with pytest.raises(TransportError, match="`checkup plan --batch` prints the script"):
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
