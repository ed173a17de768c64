"""A first site file loads, whatever the answers look like."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.site import FirstHost, FirstSite, Site, SiteFileError, first_site, load_text

ANSWERS = FirstSite(
    id="cedar-ridge",
    name="Cedar Ridge Heart Center",
    timezone="America/Denver",
    country="NO",
    package="premium",
    installed=date(2026, 4, 20),
    hosts=(FirstHost(id="this"), FirstHost(id="cath-1", address="10.40.2.11", role="cath-control")),
    key="~/.ssh/id_ed25519",
    prepared_by="A. Novak",
)


def loaded(answers: FirstSite) -> Site:
    return load_text(first_site(answers), path=Path("site.yaml"), today=date(2026, 11, 22)).site


def test_the_first_site_file_loads() -> None:
    site = loaded(ANSWERS)
    assert [host.connect.transport for host in site.hosts] == ["local", "ssh"]
    assert site.hosts[1].touch == "never"
    assert site.credentials["main"].key == "~/.ssh/id_ed25519"
    assert site.site.country == "NO"


def test_without_a_key_the_agent_is_used() -> None:
    assert loaded(dataclasses.replace(ANSWERS, key="")).credentials["main"].agent


def test_a_site_of_this_machine_alone_needs_no_credential() -> None:
    assert not loaded(dataclasses.replace(ANSWERS, hosts=ANSWERS.hosts[:1])).credentials


@pytest.mark.parametrize("name", ["true", "12:30", "8.5", "- a", "a: b", "a # b", 'Say "x"', "Sköld & Søn"])
def test_answers_are_quoted_where_yaml_would_misread_them(name: str) -> None:
    assert loaded(dataclasses.replace(ANSWERS, name=name, prepared_by=name)).site.name == name


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_any_answer_is_kept_or_refused(name: str) -> None:
    try:
        assert loaded(dataclasses.replace(ANSWERS, name=name)).site.name == name
    except SiteFileError as error:
        assert {problem.position.line for problem in error.problems if problem.position} == {8}  # noqa: PT017 - either is right


def test_a_wrong_answer_is_told_when_the_file_is_loaded() -> None:
    with pytest.raises(SiteFileError, match="there is no such time zone"):
        loaded(dataclasses.replace(ANSWERS, timezone="Mars/Olympus"))
