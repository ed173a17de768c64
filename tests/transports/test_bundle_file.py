from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.api import ErrorClass, Quality
from checkup.batch.frames import Frame, FrameReader, encode_frame, encode_stream
from checkup.transports.bundle_file import plain, read_content


def section(name: str, payload: bytes = b"seen\n") -> Frame:
    return Frame(kind="SECTION", target="t", section=name, version=1, payload=payload)


def answer(endpoint: str, *frames: Frame, **more: str) -> bytes:
    hello = {"site": "harbour", "endpoint": endpoint, "utc": "1.0", **more}
    return encode_stream(hello, frames or (section("volumes"), section("memory")))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_16_with_and_without_its_mark_is_read_like_the_original(encoding: str, mark: str) -> None:
    text = answer("ws-1").decode("ascii").replace("\n", "\r\n")
    (stream,) = read_content((mark + text).encode(encoding)).streams
    assert (stream.endpoint, stream.ended, stream.damaged) == ("ws-1", True, ())


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm() -> None:
    assert plain(b"\xef\xbb\xbf" + answer("ws-1").replace(b"\n", b"\r\n")) == answer("ws-1")


def test_the_answers_of_several_machines_are_told_apart() -> None:
    noise = b"PS C:\\> .\\round.ps1\r\n"
    content = read_content(noise + answer("ws-1") + noise + answer("ws-2") + noise)
    assert content.endpoints == ("ws-1", "ws-2")
    for stream in content.streams:
        reader = FrameReader(None)
        reader.feed(stream.data)
        assert reader.ended and stream.ended
        assert stream.sections == ("volumes", "memory")


def test_a_machines_own_text_cannot_pose_as_another_machine() -> None:
    posing = answer("ws-9")
    content = read_content(answer("ws-1", section("log-errors", posing), section("memory")))
    assert content.endpoints == ("ws-1",)
    assert content.streams[0].sections == ("log-errors", "memory")
    assert content.complete


def test_a_changed_byte_is_laid_to_its_section_and_the_others_stay_whole() -> None:
    data = answer("ws-1").replace(b"seen", b"sEEn", 1)
    (stream,) = read_content(data).streams
    assert stream.damaged == ("volumes",)
    assert stream.sections == ("volumes", "memory")
    assert stream.ended


def test_a_damaged_first_frame_leaves_the_machine_unknown() -> None:
    content = read_content(answer("ws-1").replace(b"harbour", b"Harbour", 1))
    assert content.streams[0].damaged == ("HELLO",)
    assert content.endpoints == ()
    assert not content.complete


def test_cut_at_every_byte_it_is_never_complete_and_never_fatal() -> None:
    whole = answer("ws-1") + answer("ws-2", section("volumes"))
    first = len(answer("ws-1"))
    for end in range(len(whole)):
        content = read_content(b"#CHECKUP-BUNDLE machines=2\n" + whole[:end])
        assert not content.complete
        if end >= first:
            assert content.streams[0].ended
    assert read_content(b"#CHECKUP-BUNDLE machines=2\n" + whole).complete


@pytest.mark.parametrize("lost", [3, 60, 220])
def test_a_stream_that_breaks_off_ends_where_the_next_begins(lost: int) -> None:
    content = read_content(answer("ws-1")[:-lost] + b"\n" + answer("ws-2"))
    assert [(s.endpoint, s.ended) for s in content.streams] == [("ws-1", False), ("ws-2", True)]
    assert content.streams[0].damaged == ()


def test_a_frame_that_is_cut_is_not_called_damaged() -> None:
    data = answer("ws-1", section("volumes"), section("memory", b"much\n" * 50))
    (stream,) = read_content(data[: data.index(b"much") + 40]).streams
    assert (stream.damaged, stream.broken_in) == ((), "memory")


def test_machines_that_were_not_reached_are_told_with_their_reason() -> None:
    lines = (
        b"#CHECKUP-UNREACHED ws-2 auth by WinRM: refused\n#CHECKUP-UNREACHED ws-3 gremlins it \x1b[31mhowls\n"
    )
    content = read_content(b"#CHECKUP-BUNDLE machines=3\n" + answer("ws-1") + lines)
    assert content.endpoints == ("ws-1", "ws-2", "ws-3")
    assert content.complete
    second, third = content.unreached
    assert (second.error, second.words) == (ErrorClass.AUTH, "by WinRM: refused")
    assert third.error is ErrorClass.UNREACHABLE
    assert "\x1b" not in third.words


def test_such_a_line_within_a_machines_own_text_counts_for_nothing() -> None:
    said = section("log-errors", b"#CHECKUP-UNREACHED ws-2 auth refused\n#CHECKUP-BUNDLE machines=7\n")
    content = read_content(answer("ws-1", said))
    assert content.unreached == ()
    assert content.machines is None


def test_a_broken_stream_that_is_said_to_be_one_makes_a_complete_file() -> None:
    data = b"#CHECKUP-BUNDLE machines=1\n" + answer("ws-1")[:-60]
    assert not read_content(data).complete
    assert read_content(data + b"\n#CHECKUP-UNREACHED ws-1 dropped the line broke\n").complete


def test_of_two_answers_of_a_machine_the_last_that_is_whole_is_taken() -> None:
    first, second = answer("ws-1", utc="1.0"), answer("ws-1", utc="2.0")
    taken = read_content(first + second + answer("ws-1", utc="3.0")[:-60]).stream_of("ws-1")
    assert taken is not None
    assert taken.hello["utc"] == "2.0"


def test_frames_without_a_check_sum_are_noticed() -> None:
    token = "0" * 12
    hello = Frame(kind="HELLO", payload=b"site=harbour\nendpoint=ws-1\n")
    frames = [hello, section("volumes")]
    data = b"".join(encode_frame(one, token) for one in [*frames, Frame(kind="END", payload=b"frames=2\n")])
    number = data.split(b" cksum=")[2].split(b" ")[0]
    assert not read_content(data).streams[0].unchecked
    assert read_content(data.replace(b" cksum=" + number, b" cksum=-", 1)).streams[0].unchecked


def test_a_section_that_went_wrong_on_the_machine_is_not_damage() -> None:
    late = replace(section("log-errors", b""), status=Quality.TIMEOUT, reason="not done within 20 s")
    (stream,) = read_content(answer("ws-1", late)).streams
    assert stream.damaged == ()


def test_no_end_of_damage_is_searched_through() -> None:
    header = answer("ws-1").split(b"\n")[0].replace(b"bytes=", b"bytes=9")
    content = read_content((header + b"\n") * 500)
    assert content.cut_short


@given(st.binary(max_size=300), st.integers(0, 400))
def test_anything_may_stand_anywhere(junk: bytes, place: int) -> None:
    whole = answer("ws-1")
    content = read_content(whole[:place] + junk + whole[place:])
    assert set(content.endpoints) <= {"ws-1"} or b"UNREACHED" in junk
