from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from checkup.batch.hello import MOST_KEYS, MOST_VALUE_CHARACTERS, read_hello


def test_the_pairs_of_a_hello() -> None:
    said = read_hello(b"site=cedar-ridge\nos_id=\nkernel=Linux 6.1 x86_64\nidentity=machine-id:ab\n")
    assert said == {
        "site": "cedar-ridge",
        "os_id": "",
        "kernel": "Linux 6.1 x86_64",
        "identity": "machine-id:ab",
    }


def test_a_value_is_cleaned_and_the_first_of_a_key_counts() -> None:
    assert read_hello(b"hostname=\x1b[31mevil\xe2\x80\xae\xff=1\nhostname=other\n") == {
        "hostname": "‹U+001B›[31mevil‹U+202E›\ufffd=1"
    }


def test_what_is_no_pair_is_left_out() -> None:
    assert read_hello(b"motd\n=x\nUPPER=1\n" + b"k" * 40 + b"=1\n") == {}


@given(
    payload=st.binary()
    | st.lists(st.integers(0, 999), max_size=200).map(lambda n: b"".join(b"k%d=v\n" % i for i in n))
)
def test_any_payload_gives_few_short_printable_values(payload: bytes) -> None:
    said = read_hello(payload)
    assert len(said) <= MOST_KEYS
    assert all(len(value) <= MOST_VALUE_CHARACTERS and value.isprintable() for value in said.values())
