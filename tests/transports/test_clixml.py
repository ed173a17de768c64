"""PowerShell's standard error, whole, cut and mixed with plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkup.transports.clixml import errors, streams

HEAD = b'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
PROGRESS = HEAD + b'<Obj S="progress" RefId="0"><MS><S N="x">noise</S></MS></Obj></Objs>'


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (b"", ""),
        (b"plain words\r\n", "plain words"),
        (PROGRESS, ""),
        (HEAD + b'<S S="Error">one_x000D__x000A_</S><S S="Error">two</S></Objs>', "one\r\ntwo"),
        (HEAD + b'<S S="warning">careful</S><S S="Error">broken</S></Objs>', "broken"),
        (HEAD + b'<S S="Error">caf_x00E9_ &lt;&amp;&gt; _x005F_x0041_</S></Objs>', "café <&> _x0041_"),
        (HEAD + b'<S S="Error">_xD83D__xDE00_</S></Objs>', "😀"),
        (HEAD + b'<S S="Error">_xD83D_ alone</S></Objs>', "\ufffd alone"),
        (HEAD + b'<S S="Error">whole</S><S S="Error">cu', "whole"),
        (b"before " + HEAD + b'<S S="Error">within</S></Objs>' + PROGRESS, "before within"),
    ],
)
def test_what_went_to_the_error_stream(said: bytes, read: str) -> None:
    assert errors(said) == read


def test_streams_are_told_apart() -> None:
    said = HEAD + b'<S S="verbose">a</S><S S="Error">b</S></Objs>'
    assert list(streams(said)) == [("verbose", "a"), ("Error", "b")]


@given(st.binary(max_size=300))
def test_whatever_is_said_is_text_that_can_be_written(said: bytes) -> None:
    errors(HEAD + said).encode()
    errors(HEAD + b'<S S="Error">' + said + b"</S>").encode()
