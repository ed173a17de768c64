"""Real scripts under real shells: dash, bash, busybox, and a machine with nothing else but busybox."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machines import Answer, Machine, section

from checkup.api import Quality
from checkup.batch.frames import FrameReader
from checkup.batch.posix import assemble, batch_of, token_of

ENDINGS = {
    "ok": ("echo fine", Quality.OK, ""),
    "warned": ("echo careful >&2; echo fine", Quality.OK, "careful"),
    "absent": ("absent 'no df command'; echo never", Quality.ABSENT, "no df command"),
    "unsupported": ("unsupported 'no systemd'; echo never", Quality.UNSUPPORTED, "no systemd"),
    "denied": ("denied 'only root may'; echo never", Quality.DENIED, "only root may"),
    "partial": ("echo some; partial 'not all'; echo 'went on'; exit 0", Quality.PARTIAL, "not all"),
    "partial in a pipe": (
        "echo x | while read -r x; do partial 'not all'; done; exit 0",
        Quality.PARTIAL,
        "not all",
    ),
    "partial in brackets": ("x=$(partial 'not all'); echo \"$x\"", Quality.PARTIAL, "not all"),
    "denied in a pipe": ("false || { denied 'not root'; } | cat; exit 0", Quality.PARTIAL, "not root"),
    "missing program": ("no-such-program", Quality.ABSENT, "no-such-program"),
    "failed": ("echo half; echo broken >&2; exit 5", Quality.BAD_OUTPUT, "exit status 5: broken"),
    "no grammar": ("if", Quality.BAD_OUTPUT, "exit status 2"),
    "killed by another": ("kill -9 $$", Quality.BAD_OUTPUT, "exit status 137"),
    "own exit status 124": ("exit 124", Quality.BAD_OUTPUT, "exit status 124"),
    "partial and failed": ("partial 'not all'; exit 3", Quality.BAD_OUTPUT, "exit status 3: not all"),
}


@pytest.fixture(scope="module")
def endings(machine: Machine) -> Answer:
    return machine.run(*(section(ENDINGS[e][0], name=e.replace(" ", "-")) for e in ENDINGS))


@pytest.mark.parametrize("ending", ENDINGS)
def test_how_a_section_ends_is_its_quality(endings: Answer, ending: str) -> None:
    frame = next(f for f in endings.sections if f.section == ending.replace(" ", "-"))
    _, quality, reason = ENDINGS[ending]
    assert frame.status is quality
    assert reason in frame.reason
    assert b"never" not in frame.payload


def test_every_section_gets_its_frame_in_order(endings: Answer) -> None:
    assert [f.section for f in endings.sections] == [e.replace(" ", "-") for e in ENDINGS]
    assert [f.kind for f in endings.frames][:: len(endings.frames) - 1] == ["HELLO", "END"]
    assert endings.reader.ended
    assert endings.reader.noise == b""


def test_partial_keeps_what_came_before_and_after(endings: Answer) -> None:
    assert next(f for f in endings.sections if f.section == "partial").payload == b"some\nwent on\n"


def test_hello_says_who_answers(endings: Answer, machine: Machine) -> None:
    hello = endings.hello
    assert hello["site"] == "cedar-ridge"
    assert hello["endpoint"] == "srv-db"
    assert hello["platform"] == "posix"
    assert hello["hostname"] == os.uname().nodename
    assert hello["uid"] == str(os.getuid())
    assert hello["timeout"] == "yes"
    assert float(hello["utc"]) > 1_700_000_000
    assert len(hello["batch"]) == 64


def test_a_section_that_hangs_is_ended_with_its_children_and_the_next_one_runs(machine: Machine) -> None:
    answer = machine.run(section("echo before; sleep 40; echo after", timeout_s=1), section("echo next"))
    hung, following = answer.sections
    assert (hung.status, hung.payload) == (Quality.TIMEOUT, b"before\n")
    assert "not done within 1 s" in hung.reason
    assert (following.status, following.payload) == (Quality.OK, b"next\n")


@pytest.mark.parametrize("gone", [["timeout"], ["timeout", "setsid"]], ids=" ".join)
def test_without_timeout_a_batch_says_so_and_has_sent_the_finished_frames_when_it_hangs(
    machine: Machine, gone: list[str]
) -> None:
    poor = machine.without(*gone)
    script = assemble([section("echo done"), section("sleep 40")], site="s", endpoint="e")
    reader = FrameReader(token_of(script))
    with subprocess.Popen(
        [poor.folder / "sh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": str(poor.folder)},
        start_new_session=True,
    ) as running:
        assert running.stdin
        assert running.stdout
        running.stdin.write(script)
        running.stdin.close()
        frames = []
        while len(frames) < 2:
            frames += reader.feed(os.read(running.stdout.fileno(), 65536))
        os.killpg(running.pid, 9)
    assert b"timeout=no\n" in frames[0].payload
    assert frames[1].payload == b"done\n"
    assert not reader.ended


def test_without_timeout_nothing_is_taken_for_a_reached_deadline(machine: Machine) -> None:
    (frame,) = machine.without("timeout").run(section("sleep 1; kill -9 $$", timeout_s=1)).sections
    assert frame.status is Quality.BAD_OUTPUT


def test_bytes_that_are_no_text_arrive_as_they_are(machine: Machine) -> None:
    every = "".join(f"\\{byte:03o}" for byte in range(1, 256))
    (frame,) = machine.run(section(f"printf '{every}\\n\\n'")).sections
    assert frame.payload == bytes(range(1, 256)) + b"\n\n"


@pytest.mark.parametrize(
    ("gone", "encoding"),
    [(["base64"], b"encoding=b64"), (["base64", "openssl"], b"encoding=hex")],
    ids=["openssl", "od"],
)
def test_without_base64_another_encoder_is_used(machine: Machine, gone: list[str], encoding: bytes) -> None:
    if encoding == b"encoding=b64" and not (machine.folder / "openssl").exists():
        pytest.skip("there is no openssl on this machine")
    answer = machine.without(*gone).run(section("printf 'red \\033[31m \\200\\n'"))
    assert answer.sections[0].payload == b"red \x1b[31m \x80\n"
    assert encoding in answer.output
    assert "base64" in answer.hello["missing"].split()


def test_without_any_encoder_text_still_arrives_and_the_rest_is_bad_output(machine: Machine) -> None:
    poor = machine.without("base64", "openssl", "od")
    binary, text = poor.run(section("printf '\\200'"), section("echo text")).sections
    assert (binary.status, binary.payload) == (Quality.BAD_OUTPUT, b"")
    assert (text.status, text.payload) == (Quality.OK, b"text\n")


def test_without_cksum_frames_are_taken_and_say_so(machine: Machine) -> None:
    answer = machine.without("cksum").run(section("echo fine"))
    assert answer.sections[0].payload == b"fine\n"
    assert "without a checksum" in answer.sections[0].reason
    assert answer.reader.ended


@pytest.mark.parametrize("gone", [[], ["dd"], ["head"], ["tail"]], ids=lambda gone: " ".join(gone) or "-")
def test_too_much_output_is_cut_and_partial(machine: Machine, gone: list[str]) -> None:
    poor = machine.without(*gone) if gone else machine
    huge, endless, following = poor.run(
        section(
            "yes 0123456789 | dd bs=11000 count=910 2>/dev/null" if "dd" not in gone else "yes 0123456789"
        ),
        section("yes"),
        section("echo next"),
    ).sections
    for frame in (huge, endless):
        assert frame.status is Quality.PARTIAL
        assert "cut at 1000000 bytes" in frame.reason
        assert 0 < len(frame.payload) <= 1_048_576
    assert huge.payload.startswith(b"0123456789\n0123456789\n")
    assert following.payload == b"next\n"


@pytest.mark.parametrize("size", [999_700, 999_950, 999_999, 1_000_000, 1_000_001])
def test_output_near_the_limit_is_whole_or_said_to_be_cut(machine: Machine, size: int) -> None:
    (frame,) = machine.run(section(f"yes | head -c {size}")).sections
    if frame.status is Quality.OK:
        assert len(frame.payload) == size
    else:
        assert frame.status is Quality.PARTIAL
        assert "cut" in frame.reason


def test_nul_bytes_are_never_lost_silently(machine: Machine) -> None:
    nul, text = machine.run(section("printf 'a\\000b'"), section("printf 'ab'")).sections
    assert (nul.status, text.status) == (Quality.BAD_OUTPUT, Quality.OK)
    assert "NUL" in nul.reason


def test_endless_complaints_are_read_and_shortened(machine: Machine) -> None:
    chatty, escaped = machine.run(
        section("echo first >&2; yes 'no such file' | head -n 20000 >&2; echo last >&2; echo fine"),
        section("printf '\\033[31mred\\tone\\200\\n' >&2"),
    ).sections
    assert (chatty.status, chatty.payload) == (Quality.OK, b"fine\n")
    assert chatty.reason.startswith("first; no such file; ")
    assert len(chatty.reason) <= 300
    assert " ... " in chatty.reason
    assert " last" in chatty.reason
    assert escaped.reason.startswith("[31mred one")


def test_a_section_cannot_read_the_script_nor_see_another_ones_parameters(machine: Machine) -> None:
    read, given_, bare = machine.run(
        section("cat"), section('echo "$P_names"', names="a"), section('echo "${P_names-unset}"')
    ).sections
    assert (read.payload, given_.payload, bare.payload) == (b"", b"a\n", b"unset\n")


def test_a_list_is_one_value_a_line(machine: Machine) -> None:
    script = (
        'printf \'%s\\n\' "$P_names" | while IFS= read -r name; do echo "<$name>"; done; echo $((P_days + 1))'
    )
    (frame,) = machine.run(section(script, names=("a b", "$(c)"), days=30)).sections
    assert frame.payload == b"<a b>\n<$(c)>\n31\n"


HOSTILE = (
    "$(touch owned)",
    "`touch owned`",
    "'; touch owned; '",
    '"\\"$HOME',
    "\\0101\\c\\n%s%b",
    " \t\n\n",
    "\x01\x1f\x7f\x81",
    "-n",
    "*",
    "ü€😀\r\n",
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(texts, min_size=1, max_size=6))
def test_any_parameter_arrives_byte_by_byte(machine: Machine, values: list[str]) -> None:
    values = [*HOSTILE, *values] if len(values) == 1 else values
    answer = machine.run(*(section('printf %s "$P_value"', value=value) for value in values))
    assert [frame.payload for frame in answer.sections] == [value.encode() for value in values]


def test_nothing_is_written(machine: Machine, tmp_path: Path) -> None:
    home = tmp_path / "empty"
    home.mkdir()
    home.chmod(0o500)
    answer = machine.run(
        section("pwd; printf '\\200'", value="$(touch owned)"),
        section("echo complaint >&2; partial some"),
        cwd=home,
    )
    assert answer.reader.ended
    assert list(home.iterdir()) == []


def test_a_script_that_was_cut_runs_nothing(machine: Machine) -> None:
    script = assemble([section("echo ran")], site="s", endpoint="e")
    last = len(script) - len(b"checkup_batch\n")
    for length in [*range(0, last, 397), *range(last - 30, last + 12)]:
        done = subprocess.run(
            [machine.folder / "sh"],
            input=script[:length],
            capture_output=True,
            env={"PATH": str(machine.folder)},
            timeout=20,
        )
        assert done.stdout == b"", length


def test_hello_carries_the_hash_of_the_batch(machine: Machine) -> None:
    script = assemble([], site="cedar-ridge", endpoint="srv-db")
    assert machine.run().hello["batch"] == batch_of(script)
