from hypothesis import given
from hypothesis import strategies as st

from checkup.clean import CUT, clean, clean_line


def test_what_could_harm_becomes_visible():
    assert clean("a\x1b[31mb\u202ec\ud800\x00") == "a‹U+001B›[31mb‹U+202E›c‹U+D800›‹U+0000›"


def test_a_long_text_is_cut_and_says_so():
    assert clean("x" * 10_000_000, 50).endswith(CUT)


def test_a_line_is_one_line():
    assert clean_line(" a\n\tb ") == "a b"


@given(st.text(), st.integers(20, 200))
def test_any_text_is_safe_short_and_can_be_written(text: str, limit: int):
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    cleaned.encode("utf-8")
    assert "\x1b" not in cleaned
    assert "\x00" not in cleaned
