"""The Windows batch: what it says, and that nothing in it depends on the machine that reads it."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter import Language, Parser
from tree_sitter_powershell import language

from checkup.api import Declared, WmiQuery
from checkup.batch.powershell import (
    ARGUMENTS,
    BOOTSTRAP,
    SSH_COMMAND,
    SSH_FIRST_LINE,
    assemble,
    batch_of,
    query_fragment,
    token_of,
)
from checkup.batch.section import BatchSection


def section(script: str = "@{}", **parameters: Declared) -> BatchSection:
    return BatchSection(
        target="ws-3", name="facts", version=2, script=script, timeout_s=20, parameters=parameters
    )


def batch(*sections: BatchSection, checksums: bool = True) -> bytes:
    return assemble(sections, site="cedar-ridge", endpoint="ws-3", checksums=checksums)


def parses(script: bytes) -> bool:
    return not Parser(Language(language())).parse(script).root_node.has_error


def test_the_same_plan_gives_the_same_bytes_and_another_plan_another_hash():
    assert batch(section()) == batch(section())
    assert batch_of(batch(section())) != batch_of(batch(section("@{ 'a' = 1 }")))
    assert token_of(batch(section())) == batch_of(batch(section()))[:12]


def test_it_is_plain_ascii_that_parses_and_fits_what_a_machine_takes():
    script = batch(section(), section("$rows = @{}\n$rows"))
    assert script.isascii() and parses(script)
    assert b"\r" not in script and len(script) < 200_000


def test_a_script_that_was_cut_anywhere_is_a_syntax_error():
    script = batch(section())
    assert script.startswith(b"& {\n") and script.endswith(b"\n}\n")
    for cut in range(10, len(script) - 2, 701):
        assert not parses(script[:cut]), cut


def test_nothing_is_encoded_but_parameters():
    script = batch(section(names=("a", "b"), path="D:\\Data", since=17)).decode()
    assert "EncodedCommand" not in script and "Invoke-Expression" not in script
    assert "'names' = (Texts 'YQpi')" in script
    assert "'path' = (Text 'RDpcRGF0YQ==')" in script
    assert "'since' = 17" in script


@given(st.text(max_size=60).filter(lambda text: "\0" not in text))
def test_whatever_a_parameter_holds_it_stays_data(text: str):
    try:
        script = batch(section(value=text)).decode()
    except UnicodeEncodeError:
        assert any("\ud800" <= c <= "\udfff" for c in text)
        return
    encoded = re.search(r"'value' = \(Text '([A-Za-z0-9+/=]*)'\)", script)
    assert encoded and base64.b64decode(encoded[1]).decode() == text


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (section("'ü'"), "plain ASCII"),
        (section(names=("a\nb",)), "line break"),
        (section(name="a\0b"), "NUL"),
        (BatchSection(target="ws 3", name="x", version=1, script="@{}", timeout_s=1), "letters, digits"),
        (BatchSection(target="ws", name="x", version=1, script="@{}", timeout_s=0), "at least 1 s"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(wrong: BatchSection, said: str):
    with pytest.raises(ValueError, match=said):
        batch(wrong)


def test_a_query_becomes_a_readable_fragment():
    query = WmiQuery("Win32_LogicalDisk", ("DeviceID", "Size"), "DriveType='3'", optional=True)
    text = query_fragment([query])
    assert "-Where 'DriveType=''3''' -Optional" in text
    assert parses(text.encode()) and text.endswith("$rows")


def test_the_command_line_over_ssh_has_no_character_that_any_shell_takes_apart():
    assert not set(SSH_COMMAND) & set("\"'`$&|<>^%()[]{};,!#@*?~=\\/")
    assert SSH_FIRST_LINE.count(b"\n") == 1 and parses(SSH_FIRST_LINE)


def test_the_bootstrap_is_readable_and_short_enough_for_a_command_line():
    assert parses(BOOTSTRAP.encode()) and '"' not in BOOTSTRAP
    assert len(" ".join((*ARGUMENTS, BOOTSTRAP))) < 1000
