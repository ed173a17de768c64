"""A secret in a site file is refused with its place, and no message repeats it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.site import LoadedSite, SiteFileError, load_text

TEXT = (Path(__file__).parent / "cedar_ridge.yaml").read_text(encoding="utf-8")
SECRET = "Tr0ub4dor&3"
PLANTED = TEXT.replace('"env:LEGACY_PW"', f'"{SECRET}"')

PIECES = [
    "",
    " ",
    "\n",
    "\t",
    ":",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "'",
    '"',
    "*x",
    "&x ",
    "!t ",
    "? ",
    "#",
    "|",
    "\r",
]


def outcome(text: str) -> LoadedSite | SiteFileError:
    try:
        return load_text(text, path=Path("site.yaml"), today=date(2026, 11, 22))
    except SiteFileError as error:
        return error


def shown(error: object) -> str:
    assert isinstance(error, SiteFileError)
    return f"{error} {error!r} {error.problems}"


def test_a_literal_secret_is_refused_with_its_place() -> None:
    error = outcome(PLANTED)
    assert "site.yaml:22:35: credentials.legacy.password: a secret is never written here" in shown(error)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('password: "env:LEGACY_PW"', f'password: "{SECRET}"'),
        ('password: "env:LEGACY_PW"', f"password {SECRET}"),  # the colon forgotten
        ('password: "env:LEGACY_PW"', f'"{SECRET}": x'),
        ('password: "env:LEGACY_PW"', f'pasword: "{SECRET}"'),
        ('password: "env:LEGACY_PW"', f"password: *{SECRET}"),
        ('password: "env:LEGACY_PW"', f"password: !{SECRET} x"),
        ('password: "env:LEGACY_PW"', f"password: ['{SECRET}']"),
        ('password: "env:LEGACY_PW"', f'password: "\\q{SECRET}"'),
        ('{user: admin, password: "env:LEGACY_PW"}', f'"{SECRET}"'),
        ("  legacy: {", f'  "{SECRET}": {{'),
        ("key: ~/.ssh/id_ed25519", f'key: "-----BEGIN OPENSSH PRIVATE KEY-----\\n{SECRET}"'),
        ('"SHA256:uNiVztksCsDhcc0u9e8BrrJmqNcw6nC1rYcJwE1cPLU"', f'"{SECRET}"'),
        ("port: 2222", f'port: "{SECRET}"'),
        ("port: 2222", f'password: "{SECRET}"'),
        ("transport: bundle", f'transport: "{SECRET}"'),
        ("credential: legacy", f'credential: "{SECRET}"'),
        ("target: ws-1", f'target: "{SECRET}"'),
        ("America/Denver", f'"{SECRET}"'),
        ("package: premium", f'package: "{SECRET}"'),
        ("2026-04-20", f'"{SECRET}"'),
    ],
)
def test_no_message_repeats_a_secret_in_the_wrong_place(old: str, new: str) -> None:
    assert old in TEXT
    assert SECRET not in shown(outcome(TEXT.replace(old, new, 1)))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_mutated_file_is_read_or_refused_with_places_inside_it(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(PLANTED)))
    length = data.draw(st.sampled_from([0, 1, 1, 5, 30, 300]))
    pieces = [
        "",
        " ",
        "\n",
        "\t",
        ":",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "'",
        '"',
        "*x",
        "&x ",
        "!t ",
        "? ",
        "#",
        "|",
        "\r",
    ]
    piece = data.draw(st.sampled_from(pieces) | st.text(max_size=8))
    mutated = PLANTED[:start] + piece + PLANTED[start + length :]
    result = outcome(mutated)
    if isinstance(result, LoadedSite):
        return  # the mutation cut the secret out
    lines = mutated.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in result.problems:
        assert problem.position is not None
        assert 1 <= problem.position.line <= len(lines)
        assert 1 <= problem.position.column <= len(lines[problem.position.line - 1]) + 2
    if SECRET in mutated:
        assert SECRET not in shown(result)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet=":-[]{}&*!|>'\"%@`#, \n\ta1"))
def test_any_text_is_refused_without_a_traceback(text: str) -> None:
    assert isinstance(outcome(text), SiteFileError)
