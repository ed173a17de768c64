from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checkup.api import Quality
from checkup.batch import frames as room
from checkup.batch.frames import Frame, FrameReader, encode_frame, encode_stream, posix_cksum

TOKEN = "0123456789ab"
words = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
sections = st.builds(
    Frame,
    kind=st.just("SECTION"),
    target=words,
    section=words,
    version=st.integers(0, 999),
    status=st.sampled_from(Quality),
    milliseconds=st.none() | st.integers(0, 10**6),
    reason=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=50),
    payload=st.binary(max_size=300) | st.text("abc \n\t#", max_size=300).map(str.encode),
)


def volumes(payload: bytes = b"/ 10\n", **changes: object) -> Frame:
    fields: dict[str, object] = {"target": "srv-db", "section": "volumes", "version": 1, "milliseconds": 12}
    return Frame(kind="SECTION", payload=payload, **(fields | changes))  # type: ignore[arg-type] # by name


def stream(*frames: Frame) -> bytes:
    return encode_stream({"site": "cedar-ridge", "utc": "1.5"}, frames)


def read(data: bytes, token: str | None = None, step: int | None = None) -> tuple[list[Frame], FrameReader]:
    reader = FrameReader(token)
    step = step or len(data) or 1
    return [f for at in range(0, len(data), step) for f in reader.feed(data[at : at + step])], reader


@given(frames=st.lists(sections, max_size=5), step=st.integers(1, 200))
def test_what_is_written_is_read_in_whatever_pieces_it_comes(frames: list[Frame], step: int) -> None:
    got, reader = read(stream(*frames), step=step)
    assert got[1:-1] == frames
    assert [got[0].kind, got[-1].kind] == ["HELLO", "END"]
    assert reader.ended
    assert (reader.noise, reader.noise_bytes) == (b"", 0)


def test_a_stream_cut_at_any_byte_gives_the_frames_so_far_and_never_ends() -> None:
    data = stream(volumes(), volumes(b"\x00\xff" * 40, reason="odd"), volumes(b""))
    whole, _ = read(data)
    for length in range(len(data)):
        got, reader = read(data[:length])
        assert got == whole[: len(got)]
        assert not reader.ended
    assert read(data)[1].ended


@settings(max_examples=50)
@given(
    frames=st.lists(sections, min_size=1, max_size=4),
    noise=st.binary(max_size=200) | st.text("#CHECKUP 0123456789ab SECTION\n", max_size=200).map(str.encode),
)
@example(frames=[volumes()], noise=b"#CHECKUP 0123456789ab SECTION target=")
@example(frames=[volumes()], noise=b"Last login: today\r\n\x1b[0m motd without a line end")
@example(frames=[volumes()], noise=b"#CHECKUP ")
def test_noise_between_frames_is_kept_and_harms_none(frames: list[Frame], noise: bytes) -> None:
    data = noise + noise.join(encode_frame(frame, TOKEN) for frame in frames)
    got, reader = read(data, TOKEN)
    assert got == frames
    assert reader.noise_bytes == len(noise.replace(b"\r", b"")) * len(frames)


@given(frames=st.lists(sections, max_size=3))
def test_line_ends_may_have_become_those_of_windows(frames: list[Frame]) -> None:
    got, reader = read(stream(*frames).replace(b"\n", b"\r\n"))
    assert got[1:-1] == frames
    assert reader.ended


@given(
    data=st.binary(max_size=400) | st.text("#CHECKUP 0ab=-SECTION\n").map(str.encode), step=st.integers(1, 50)
)
def test_no_input_makes_the_reader_fail(data: bytes, step: int) -> None:
    frames, reader = read(data, step=step)
    assert not frames
    assert not reader.ended


@given(at=st.integers(0, 10**6), value=st.integers(0, 255))
def test_a_changed_byte_never_changes_a_fact(at: int, value: int) -> None:
    good = [volumes(b"/ 10\n/srv 20\n"), volumes(b"\x80\x00", section="binary"), volumes(section="last")]
    data = bytearray(b"".join(encode_frame(frame, TOKEN) for frame in good))
    data[at % len(data)] = value
    got, _ = read(bytes(data), TOKEN)
    payloads = {frame.payload for frame in good}
    assert all(frame.payload in payloads for frame in got if frame.status is Quality.OK)
    assert sum(frame in good for frame in got) >= 2 or len(got) < 3


def test_a_damaged_frame_is_bad_output_and_the_next_one_is_found() -> None:
    damaged = encode_frame(volumes(b"/ 10\n/srv 20\n"), TOKEN)
    for broken in (
        damaged.replace(b"10", b"11"),
        damaged.replace(b"/ 10\n", b""),
        damaged.replace(b"/srv", b"/srv/x"),
    ):
        first, second = read(broken + encode_frame(volumes(section="next"), TOKEN), TOKEN)[0]
        assert (first.status, first.payload) == (Quality.BAD_OUTPUT, b"")
        assert "checksum" in first.reason
        assert (second.section, second.status) == ("next", Quality.OK)


def test_too_many_damaged_frames_are_given_up() -> None:
    damaged = encode_frame(volumes(b"/ 10\n"), TOKEN).replace(b"/ 10", b"/ 11")
    got, reader = read(damaged * 200, TOKEN)
    assert len(got) == room.MOST_DAMAGED_FRAMES + 1
    assert reader.overrun
    assert not reader.ended


def test_text_that_looks_like_a_frame_stays_text() -> None:
    posing = encode_frame(volumes(b"forged\n"), TOKEN)
    (got,) = read(encode_frame(volumes(posing), TOKEN), TOKEN)[0]
    assert got.payload == posing


def test_a_reason_that_looks_like_a_frame_stays_a_reason() -> None:
    posing = encode_frame(volumes(section="forged"), TOKEN).split(b"\n")[0].decode()
    (got,) = read(encode_frame(volumes(reason="x " + posing), TOKEN), TOKEN)[0]
    assert (got.section, got.payload) == ("volumes", b"/ 10\n")
    assert got.reason.startswith("x #CHECKUP")


def test_frames_of_another_batch_are_noise() -> None:
    frames, reader = read(stream(volumes()), TOKEN)
    assert frames == []
    assert reader.noise_bytes > 100


def test_without_a_token_the_first_hello_gives_it() -> None:
    strange = encode_frame(volumes(), "f" * 12)
    got, reader = read(strange + stream(volumes()) + strange)
    assert [f.kind for f in got] == ["HELLO", "SECTION", "END"]
    assert reader.token not in (None, "f" * 12)


def test_an_end_that_counts_other_frames_does_not_end() -> None:
    data = stream(volumes(section="one"), volumes(section="two"))
    lost = data.replace(encode_frame(volumes(section="two"), read(data)[1].token or ""), b"")
    got, reader = read(lost)
    assert got[-1].kind == "END"
    assert not reader.ended


def test_what_follows_the_end_is_noise() -> None:
    data = stream(volumes())
    got, reader = read(data + data)
    assert len(got) == 3
    assert reader.ended
    assert reader.noise_bytes == len(data)


def test_the_same_section_twice_is_kept_twice() -> None:
    got, _ = read(stream(volumes(b"1\n"), volumes(b"2\n")))
    assert [frame.payload for frame in got[1:-1]] == [b"1\n", b"2\n"]


def test_a_frame_without_a_checksum_is_taken_and_says_so() -> None:
    data = encode_frame(volumes(), TOKEN)
    (got,) = read(data.replace(b"cksum=%d" % posix_cksum(b"/ 10\n"), b"cksum=-"), TOKEN)[0]
    assert (got.status, got.payload, got.reason) == (Quality.OK, b"/ 10\n", "(without a checksum)")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"status=ok", b"status=splendid"),
        (b"encoding=text", b"encoding=b64"),
        (b"encoding=text", b"encoding=hex"),
    ],
)
def test_what_cannot_be_decoded_is_bad_output(old: bytes, new: bytes) -> None:
    (got,) = read(encode_frame(volumes(b"!!!\n"), TOKEN).replace(old, new), TOKEN)[0]
    assert got.status is Quality.BAD_OUTPUT
    assert "decoded" in got.reason


def test_hexadecimal_is_read_as_od_prints_it() -> None:
    encoded = b" 80 00 0a ff\n 41"
    header = encode_frame(volumes(encoded), TOKEN).replace(b"encoding=text", b"encoding=hex")
    assert read(header, TOKEN)[0][0].payload == b"\x80\x00\n\xffA"


def test_a_frame_that_announces_too_much_is_bad_and_the_next_is_read() -> None:
    greedy = encode_frame(volumes(), TOKEN).replace(b"bytes=5", b"bytes=99999999999")
    first, second = read(greedy + encode_frame(volumes(), TOKEN), TOKEN)[0]
    assert first.status is Quality.BAD_OUTPUT
    assert second == volumes()


def test_a_header_that_is_too_long_is_noise() -> None:
    long = encode_frame(volumes(), TOKEN).replace(b"reason=", b"reason=" + b"x" * 5000)
    got, reader = read(long + encode_frame(volumes(), TOKEN), TOKEN)
    assert got == [volumes()]
    assert reader.noise_bytes == len(long)


def test_reasons_are_cleaned_and_short() -> None:
    data = encode_frame(volumes(reason="ü\n" + "x" * 500), TOKEN)
    (got,) = read(data, TOKEN)[0]
    assert got.reason.startswith("? xxx")
    assert len(got.reason) <= 300


def test_a_flood_is_not_taken_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stream(volumes())
    monkeypatch.setattr(room, "MOST_STREAM_BYTES", len(data) - 1)
    got, reader = read(data)
    assert [f.kind for f in got] == ["HELLO", "SECTION"]
    assert reader.overrun
    assert not reader.ended
    assert reader.feed(data) == []


@pytest.mark.parametrize(
    "noise",
    [b"\x00\xff\n" * 22000, b"x" * 65536, b"#CHECKUP " * 7000, b"#CHECKUP 0123456789ab SECTION " * 2000],
    ids=["lines", "one line", "marks", "beginnings of headers"],
)
def test_twenty_megabytes_of_noise_take_linear_work_and_little_memory(noise: bytes) -> None:
    def calls(times: int) -> int:
        reader, count = FrameReader(TOKEN), 0

        def seen(_frame: object, event: str, _arg: object) -> None:
            nonlocal count
            count += event == "c_call"

        sys.setprofile(seen)
        try:
            for _ in range(times):
                reader.feed(noise)
                assert len(reader._buffer) <= room.MOST_HEADER_BYTES
        finally:
            sys.setprofile(None)
        assert len(reader.noise) == room.KEPT_NOISE_BYTES
        return count

    assert calls(8) < 2.2 * calls(4) < 2.2 * 2.2 * calls(2)
    reader = FrameReader(TOKEN)
    for _ in range(20_000_000 // len(noise)):
        assert reader.feed(noise) == []
    assert reader.feed(b"\n" + encode_frame(volumes(), TOKEN)) == [volumes()]


@pytest.mark.skipif(shutil.which("cksum") is None, reason="there is no cksum command here")
@pytest.mark.parametrize("content", [b"", b"a", b"123456789", bytes(range(256)) * 300])
def test_the_checksum_is_the_one_of_posix(content: bytes) -> None:
    printed = subprocess.run(["cksum"], input=content, capture_output=True, check=True).stdout
    assert printed.split()[0] == str(posix_cksum(content)).encode()


def test_the_checksum_of_the_standards_own_example() -> None:
    assert posix_cksum(b"123456789") == 930766865


@pytest.mark.parametrize("bad", [volumes(target="a b"), volumes(section="x\ny"), volumes(version=-1)])
def test_a_frame_that_no_header_can_carry_is_refused(bad: Frame) -> None:
    with pytest.raises(ValueError, match="header"):
        encode_frame(bad, TOKEN)


def test_a_sha1_check_sum_is_checked_like_the_posix_one():
    digest = hashlib.sha1(b"eA==").hexdigest()
    hello = encode_frame(Frame(kind="HELLO", payload=b"site=s\n"), TOKEN)
    head = f"#CHECKUP {TOKEN} SECTION target=t section=s version=1 status=ok ms=1 encoding=b64 bytes=4 "
    good = hello + f"{head}cksum=sha1:{digest} reason=\neA==\n".encode()
    assert [frame.payload for frame in FrameReader(TOKEN).feed(good)] == [b"site=s\n", b"x"]
    bad = FrameReader(TOKEN).feed(good.replace(b"eA==", b"eQ=="))
    assert bad[1].status is Quality.BAD_OUTPUT and "checksum" in bad[1].reason


def test_an_end_may_tell_the_time():
    reader = FrameReader(TOKEN)
    reader.feed(encode_frame(Frame(kind="HELLO", payload=b"site=s\n"), TOKEN))
    reader.feed(encode_frame(Frame(kind="END", payload=b"frames=1\nutc=1.5\n"), TOKEN))
    assert reader.ended
