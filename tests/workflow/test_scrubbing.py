from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from checkup.workflow.scrubbing import Scrubber, guids_in

POWER_PLAN = "381b4222-f694-41f0-9685-ff5bb260df2e"


def scrubber() -> Scrubber:
    words = {"WS-3": "host", "Cedar Ridge": "site", "CEDAR": "domain", "rosa": "user"}
    return Scrubber(words=words, known_guids=guids_in([f"balanced is {POWER_PLAN.upper()}"]))


def test_what_tells_whose_machine_it_is_is_replaced_alike_everywhere() -> None:
    data = {
        "Win32_OperatingSystem": [{"CSName": "WS-3", "SerialNumber": "00330-80000-00000-AA123"}],
        "paths": ["C:\\Users\\rosa\\AppData", "\\\\fs-1\\data", "\\\\fs-1\\images"],
        "told": "WS-3 of CEDAR\\rosa at 192.168.1.23 and fe80::1c2d:3e4f, 00-1B-44-11-3A-B7",
        "mail": "rosa@cedar.example",
        "sid": "S-1-5-21-1004336348-1177238915-682003330-512",
        "machine": "{5C1D0F5E-8A3B-4F21-9D61-2B7F0C9A4E10}",
        "again": "5c1d0f5e-8a3b-4f21-9d61-2b7f0c9a4e10",
    }
    clean = scrubber().clean(data)  # pyright: ignore[reportArgumentType] - plain JSON data
    text = json.dumps(clean)
    for telling in (
        *("WS-3", "00330", "rosa", "fs-1", "CEDAR", "192.168", "fe80", "1B-44", "1004336348", "5c1d", "5C1D"),
    ):
        assert telling not in text, telling
    assert isinstance(clean, dict)
    assert clean["paths"] == ["C:\\Users\\user-1\\AppData", "\\\\host-2\\data", "\\\\host-2\\images"]
    assert clean["Win32_OperatingSystem"] == [{"CSName": "host-1", "SerialNumber": "serialnumber-1"}]
    assert str(clean["sid"]).endswith("-512")
    assert str(clean["machine"]).strip("{}") == clean["again"]


def test_what_means_the_same_on_every_machine_is_kept() -> None:
    kept = {
        "plan": POWER_PLAN,
        "class": "{4d36e978-e325-11ce-bfc1-08002be10318}",
        "office": "{90160000-0011-0000-1000-0000000FF1CE}",
        "group": "S-1-5-32-544",
        "mask": "255.255.255.0",
        "here": "127.0.0.1",
        "DriverVersion": "10.1.1.44",
        "at": "Tue May 20 12:43:11 2025",
        "UserName": "Administrator",
        "Size": 512110190592,
        "Serial": None,
    }
    assert scrubber().clean(kept) == kept  # pyright: ignore[reportArgumentType] - plain JSON data


def test_an_empty_name_stays_empty_and_numbers_keep_their_types() -> None:
    data = {"SerialNumber": "", "UserName": None, "rows": [{"UUID": " "}, {"Tag": 7}]}
    assert scrubber().clean(data) == data  # pyright: ignore[reportArgumentType] - plain JSON data


def test_a_name_is_replaced_as_a_word_only() -> None:
    assert scrubber().text("AWS-30 WS-3. ws-3/WS-33") == "AWS-30 host-1. host-1/WS-33"


@given(st.text(max_size=80))
def test_any_text_is_taken_and_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = scrubber().text(text)
    assert "WS-3" not in once.split()
    assert isinstance(scrubber().clean({text: [text]}), dict)
