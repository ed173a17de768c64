"""Secrets are fetched when asked for, and no text leaves with one in it."""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkup.api import JSON
from checkup.secrets import (
    MASK,
    RedactingFormatter,
    SecretError,
    is_reference,
    keyring_problem,
    redact,
    redact_json,
    remember,
    resolve,
)

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX file modes and programs")
VALUE = "s3cret/V&lue"


def refusal(reference: str) -> str:
    with pytest.raises(SecretError) as raised:
        resolve(reference)
    return str(raised.value)


# --- references -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["keyring:a/b", "env:X", "file:~/x", "command:pass x", "systemd:x", "prompt:", "agent:"]
)
def test_references(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text", ["", "hunter2", "env", "env:", "env: ", "vault:x", "KEYRING:a/b", "C:\\x", "file:a\nb"]
)
def test_what_is_no_reference(text: str) -> None:
    assert not is_reference(text)


def test_what_is_no_reference_may_be_a_secret_and_is_not_repeated() -> None:
    assert VALUE not in refusal(VALUE)


def test_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEGACY_PW", VALUE)
    assert resolve("env:LEGACY_PW") == VALUE
    assert redact(f"the password is {VALUE}.") == f"the password is {MASK}."


def test_a_variable_that_is_missing_or_empty_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEGACY_PW", raising=False)
    assert refusal("env:LEGACY_PW") == "env:LEGACY_PW: there is no such environment variable"
    monkeypatch.setenv("LEGACY_PW", "")
    assert refusal("env:LEGACY_PW") == "env:LEGACY_PW: is empty"


def secret_file(folder: Path, data: bytes = b"s3cret/V&lue\r\n", mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    assert resolve(f"file:{secret_file(tmp_path)}") == VALUE


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    assert "chmod 600" in refusal(f"file:{secret_file(tmp_path, mode=mode)}")


@pytest.mark.parametrize(
    ("data", "reason"), [(b"\xff", "not UTF-8"), (b"\n", "is empty"), (b"x" * 100_000, "longer than")]
)
def test_a_file_that_holds_no_secret(tmp_path: Path, data: bytes, reason: str) -> None:
    assert reason in refusal(f"file:{secret_file(tmp_path, data)}")


def test_a_file_that_is_missing_or_a_folder(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(f"file:{tmp_path / 'none'}")
    assert "there is no such file" in refusal(f"file:{tmp_path}")


def command(code: str) -> str:
    return f"command:'{sys.executable}' -c \"{code}\""


@posix
def test_a_command_is_run_once_without_a_shell(tmp_path: Path) -> None:
    log = tmp_path / "log"
    reference = command(f"open('{log}', 'a').write('x'); print('a;b$HOME')")
    assert [resolve(reference), resolve(reference)] == ["a;b$HOME", "a;b$HOME"]
    assert log.read_text(encoding="utf-8") == "x"


@posix
def test_a_command_gets_no_input() -> None:
    assert resolve(command("import sys; print(repr(sys.stdin.read()))")) == "''"


@posix
@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (command("import sys; print('s3cret'); sys.exit('s3cret')"), "failed with exit status 1"),
        ("command:no-such-program-at-all x", "cannot be run"),
        ("command:'x", "open quotation mark"),
        (command("import sys; sys.stdout.buffer.write(bytes([255]))"), "not UTF-8"),
    ],
)
def test_a_command_that_fails_says_why_and_shows_no_output(reference: str, reason: str) -> None:
    message = refusal(reference)
    assert reason in message
    assert "s3cret" not in message.removeprefix(reference)


def test_a_command_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("x", timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert refusal("command:x").endswith("the command did not end within 30 seconds")


def test_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    secret_file(tmp_path)
    assert resolve("systemd:secret") == VALUE
    assert "bare name" in refusal("systemd:../secret")
    assert "cannot be read" in refusal("systemd:none")


def test_systemd_credentials_need_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert "not started by systemd" in refusal("systemd:secret")


def test_a_question_is_asked_once() -> None:
    asked: list[str] = []

    def prompt(question: str) -> str:
        asked.append(question)
        return VALUE

    assert [resolve("prompt:VPN token", prompt=prompt) for _ in range(2)] == [VALUE, VALUE]
    assert asked == ["VPN token: "]


def test_no_question_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False))
    assert "there is no terminal to ask on" in refusal("prompt:x")


def test_an_agent_hands_out_nothing() -> None:
    assert "write `agent: true`" in refusal("agent:")


# --- keyrings ---------------------------------------------------------------------------------


def backend(module: str, name: str, value: str | None = VALUE) -> object:
    def get_password(_: object, service: str, user: str) -> str | None:
        return value if (service, user) == ("cedar/ridge", "linux") else None

    return type(name, (), {"__module__": module, "get_password": get_password})()


def use(monkeypatch: pytest.MonkeyPatch, *backends: object) -> None:
    chainer = backend("keyring.backends.chainer", "ChainerBackend")
    chainer.backends = list(backends)  # type: ignore[attr-defined] - made here
    monkeypatch.setattr("keyring.get_keyring", lambda: backends[0] if len(backends) == 1 else chainer)


SAFE = ("keyring.backends.SecretService", "Keyring")
PLAIN = ("keyrings.alt.file", "PlaintextKeyring")


def test_a_keyring_of_the_operating_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, backend(*SAFE))
    assert resolve("keyring:cedar/ridge/linux") == VALUE
    assert keyring_problem() == ""


def test_what_is_not_in_the_keyring_is_told_with_how_to_store_it(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, backend(*SAFE))
    assert refusal("keyring:cedar/other").endswith("store it with: keyring set cedar other")
    assert "SERVICE/USER" in refusal("keyring:cedar")


@pytest.mark.parametrize("kind", [PLAIN, ("keyring.backends.fail", "Keyring"), ("evil", "WinVaultKeyring")])
def test_any_other_keyring_is_refused_with_the_alternatives(
    monkeypatch: pytest.MonkeyPatch, kind: tuple[str, str]
) -> None:
    use(monkeypatch, backend(*kind))
    assert "Windows Credential Locker" in refusal("keyring:cedar/ridge/linux")
    assert "env:, file:" in keyring_problem()


def test_a_plain_text_keyring_in_a_chain_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, backend(*PLAIN), backend(*SAFE, value=None))
    assert "not in the keyring" in refusal("keyring:cedar/ridge/linux")


def test_a_keyring_that_fails_shows_the_kind_of_error_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> object:
        raise RuntimeError(VALUE)

    monkeypatch.setattr("keyring.get_keyring", broken)
    assert "the keyring failed (RuntimeError)" in refusal("keyring:a/b")
    assert VALUE not in refusal("keyring:a/b") + keyring_problem()


# --- redaction --------------------------------------------------------------------------------


def encodings(value: str) -> Iterator[str]:
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value), html.escape(value))
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1])
    yield from (json.dumps(json.dumps(value))[3:-3], repr(value)[1:-1], ascii(value)[1:-1])
    for data in (value.encode(), value.encode("utf-16-le")):
        yield base64.b64encode(data).decode()
        yield base64.urlsafe_b64encode(data).decode().rstrip("=")
        yield quote(base64.b64encode(data).decode(), safe="")


# The mask itself is no secret that could be taken out of a text.
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), min_size=4, max_size=24)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), max_size=20)


@settings(max_examples=150, deadline=None)
@given(value=values, before=texts, after=texts, others=st.lists(values, max_size=2))
def test_no_encoding_of_a_secret_survives(value: str, before: str, after: str, others: list[str]) -> None:
    for one in (value, *others):
        remember(one)
    for encoded in encodings(value):
        assert encoded not in redact(f"{before} {encoded} {after}")


@settings(max_examples=100, deadline=None)
@given(value=st.text(st.characters(exclude_categories=["Cs"]), min_size=7), before=st.binary(max_size=9))
def test_a_secret_inside_a_longer_base64_text_is_found(value: str, before: bytes) -> None:
    remember(value)
    for data in (value.encode(), value.encode("utf-16-le")):
        whole = base64.b64encode(before + data + b"end").decode()
        left = redact(whole)
        assert MASK in left
        # At either end one character may hold bits of the secret and of its neighbour.
        assert len(left.replace(MASK, "")) <= len(whole) - len(data) * 8 // 6 + 2


@settings(max_examples=50, deadline=None)
@given(value=st.text("abcdefgh", min_size=4), text=st.text("stuvwxyz*%\\+ =é"))
def test_text_without_a_secret_stays_as_it_is(value: str, text: str) -> None:
    remember(value)
    assert redact(text) == text


def test_the_longest_secret_goes_first() -> None:
    remember("hunter")
    remember("hunter2-and-more")
    assert redact("x=hunter2-and-more") == f"x={MASK}"


def test_a_short_secret_is_redacted_as_a_word_only() -> None:
    remember("abc")
    assert redact("abc, abcd, (abc) YWJj") == f"{MASK}, abcd, ({MASK}) {MASK}"


def test_a_private_key_is_redacted_line_by_line() -> None:
    remember("-----BEGIN KEY-----\nbase64line0123456789\nshort\n-----END KEY-----")
    assert redact("log: base64line0123456789") == f"log: {MASK}"


def test_json_data_is_redacted_in_texts_keys_and_numbers() -> None:
    remember("987654")
    data: JSON = {"987654": [987654, 1987654, "pin 987654", None, True, 0.5]}
    assert redact_json(data) == {MASK: [MASK, 1987654, f"pin {MASK}", None, True, 0.5]}


def test_a_log_line_is_redacted_after_arguments_and_traceback_are_in_it() -> None:
    remember(VALUE)
    try:
        raise ValueError(f"cannot log in with {VALUE}")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "PWD=%s;", (VALUE,), sys.exc_info())
    line = RedactingFormatter("%(levelname)s %(message)s").format(record)
    assert line.startswith(f"ERROR PWD={MASK};\nTraceback")
    assert VALUE not in line


def test_keyring_is_imported_only_when_one_is_asked() -> None:
    code = "import sys, checkup.secrets; sys.exit('keyring' in sys.modules or 'getpass' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
