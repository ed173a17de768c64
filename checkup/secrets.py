"""Secrets: references become values, late; and no value leaves the process in any text.

A reference says where a secret is: `keyring:SERVICE/USER`, `env:NAME`, `file:PATH`,
`command:PROGRAM ARGUMENTS`, `systemd:NAME`, `prompt:QUESTION`. (`agent:` is one too, but an agent
signs and hands nothing out.) Every value is remembered the moment it is resolved, for the life of
the process, and `redact` takes it out of whatever goes to a log, the store, a report or a screen.

The registry is global to the module because redaction must be global to the process.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import shlex
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from checkup.api import JSON

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

MASK = "***"
MAX_CHARACTERS = 16 * 1024
COMMAND_TIMEOUT_S = 30

Prompt = Callable[[str], str]


class SecretError(Exception):
    """A reference cannot be resolved. The message names the reference, never a value."""

    def __init__(self, reference: str, reason: str) -> None:
        super().__init__(f"{reference}: {reason}")
        self.reference = reference
        self.reason = reason


# --- references -------------------------------------------------------------------------------


def is_reference(text: str) -> bool:
    """True if `text` says where a secret is, rather than being one."""
    scheme, colon, rest = text.partition(":")
    if not colon or "\n" in text:
        return False
    return scheme in ("agent", "prompt") or (scheme in _SOURCES and bool(rest.strip()))


def resolve(reference: str, *, prompt: Prompt | None = None) -> str:
    """The secret behind a reference; remembered for redaction before it is handed out.

    A command is run, and a question asked, once per process and reference. `prompt` asks the
    question, without echo (default: on the terminal). Raises SecretError.
    """
    if not is_reference(reference):
        # Perhaps a secret itself, so it is not repeated.
        raise SecretError("(not shown)", "is no reference; write keyring:, env:, file:, command: or prompt:")
    scheme, _, rest = reference.partition(":")
    try:
        if scheme == "prompt":
            value = _once(reference, lambda: _ask(rest, prompt))
        elif scheme == "command":
            value = _once(reference, lambda: _from_command(rest))
        else:
            value = _SOURCES[scheme](rest)
    except _Unresolved as error:
        raise SecretError(reference, str(error)) from None
    if not value:
        raise SecretError(reference, "is empty")
    if len(value) > MAX_CHARACTERS:
        raise SecretError(reference, f"is longer than {MAX_CHARACTERS} characters, which no secret is")
    remember(value)
    return value


class _Unresolved(Exception):
    """Why a reference has no value; holds no value and no text of a program that might."""


_asking = threading.Lock()
_answers: dict[str, str] = {}


def _once(reference: str, ask: Callable[[], str]) -> str:
    # One at a time: two threads must not ask on one terminal, nor for the same secret twice.
    with _asking:
        if not _answers.get(reference):
            _answers[reference] = ask()
        return _answers[reference]


def _ask(question: str, prompt: Prompt | None) -> str:
    if prompt is None:
        # Without a terminal getpass would read, and echo, whatever standard input is.
        if not sys.stdin or not sys.stdin.isatty():
            raise _Unresolved("there is no terminal to ask on; use env:, file:, systemd: or command:")
        import getpass

        prompt = getpass.getpass
    try:
        return prompt(f"{question or 'Password'}: ")
    except EOFError:
        raise _Unresolved("no answer was given") from None


def _from_environment(name: str) -> str:
    if name not in os.environ:
        raise _Unresolved("there is no such environment variable")
    return os.environ[name]


def _from_file(name: str) -> str:
    try:
        path = Path(name).expanduser()
        if not path.is_file():
            raise _Unresolved("there is no such file")
        with path.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise _Unresolved(f"others than you may read it; run: chmod 600 {shlex.quote(str(path))}")
            return _first_text(file.read(MAX_CHARACTERS + 2))
    except (RuntimeError, ValueError):
        raise _Unresolved("cannot be read: no such home folder, or not UTF-8 text") from None
    except OSError as error:
        raise _Unresolved(f"cannot be read: {error.strerror}") from None


def _first_text(text: str) -> str:
    """Without the line end that editors and programs put after a secret."""
    return text.rstrip("\r\n")


def _from_systemd(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise _Unresolved("not started by systemd with credentials (CREDENTIALS_DIRECTORY is not set)")
    if Path(name).name != name:
        raise _Unresolved("must be the bare name of a credential")
    try:
        return _first_text((Path(folder) / name).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise _Unresolved("is not UTF-8 text") from None
    except OSError as error:
        raise _Unresolved(f"cannot be read: {error.strerror}") from None


def _from_command(line: str) -> str:
    try:
        words = _words(line)
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False
        )
        text = done.stdout.decode("utf-8")
    except subprocess.TimeoutExpired:
        raise _Unresolved(f"the command did not end within {COMMAND_TIMEOUT_S} seconds") from None
    except OSError as error:
        raise _Unresolved(f"the command cannot be run: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Unresolved("the command's output is not UTF-8 text") from None
    except ValueError:
        raise _Unresolved("the command has an open quotation mark") from None
    if done.returncode != 0:
        # Its messages are left out: some programs print the secret beside the error.
        raise _Unresolved(f"the command failed with exit status {done.returncode}; run it by hand to see why")
    return _first_text(text)


def _words(line: str) -> list[str]:
    if os.name == "posix":
        return shlex.split(line)
    # On Windows a backslash is part of a path and escapes nothing.
    return [word.strip("\"'") for word in shlex.split(line, posix=False)]


def _from_agent(_: str) -> str:
    raise _Unresolved("an agent hands out no secret; write `agent: true` in the credential")


# Keyrings that the operating system guards, by the module and name of keyring's class for them.
_TRUSTED_KEYRINGS = {
    ("keyring.backends.Windows", "WinVaultKeyring"): "Windows Credential Locker",
    ("keyring.backends.macOS", "Keyring"): "macOS Keychain",
    ("keyring.backends.SecretService", "Keyring"): "Secret Service",
    ("keyring.backends.libsecret", "Keyring"): "Secret Service",
    ("keyring.backends.kwallet", "DBusKeyring"): "KWallet",
    ("keyring.backends.kwallet", "DBusKeyringKWallet4"): "KWallet",
}


def _from_keyring(name: str) -> str:
    service, _, user = name.rpartition("/")
    if not service or not user:
        raise _Unresolved("must be keyring:SERVICE/USER")
    try:
        keyrings = _trusted_keyrings()
        found = (keyring.get_password(service, user) for keyring in keyrings)
        value = next((text for text in found if text is not None), None)
    except Exception as error:  # noqa: BLE001 - a keyring may raise anything, with anything in its text
        kind = type(error).__name__
        raise _Unresolved(f"the keyring failed ({kind}); unlock it, or {_ELSEWHERE}") from None
    if not keyrings:
        raise _Unresolved(_NO_KEYRING)
    if value is None:
        raise _Unresolved(f"not in the keyring; store it with: keyring set {service} {user}")
    return value


def keyring_problem() -> str:
    """Why `keyring:` references cannot work on this machine; "" if they can."""
    try:
        return "" if _trusted_keyrings() else _NO_KEYRING
    except Exception as error:  # noqa: BLE001 - a keyring may raise anything, with anything in its text
        return f"the keyring failed ({type(error).__name__}); {_ELSEWHERE}"


def _trusted_keyrings() -> list[KeyringBackend]:
    import keyring

    chosen = keyring.get_keyring()
    # The chainer asks several in turn; those that are not trusted are left out, not asked.
    members: list[KeyringBackend] = list(getattr(chosen, "backends", [chosen]))
    return [
        member
        for member in members
        if (type(member).__module__, type(member).__qualname__) in _TRUSTED_KEYRINGS
    ]


_ELSEWHERE = "use env:, file:, command:, systemd: or prompt: instead"
_NO_KEYRING = (
    "this machine has no keyring that keeps secrets safe "
    f"({', '.join(dict.fromkeys(_TRUSTED_KEYRINGS.values()))}); {_ELSEWHERE}"
)


_SOURCES: dict[str, Callable[[str], str]] = {
    "keyring": _from_keyring,
    "env": _from_environment,
    "file": _from_file,
    "command": _from_command,
    "agent": _from_agent,
    "systemd": _from_systemd,
}


# --- redaction --------------------------------------------------------------------------------
# A value is looked for as it is, and as URLs, JSON, HTML and Python's repr write it: each character
# that any of them escapes is matched in every form. Beside that stand the base64 of its UTF-8 and of
# its UTF-16LE (PowerShell's), wherever in a longer base64 text it begins.
#
# A value shorter than SHORT characters is redacted only where it, or its whole base64, stands as a
# word of its own: else a password "a" would take every "a" out of the report.

SHORT = 4
_SHORTEST_FRAGMENT = 6  # characters from inside a longer base64 text; fewer occur by chance


@dataclass(frozen=True, slots=True)
class _Form:
    """One way a value may be written: `literal` is a piece that every text with it contains."""

    length: int
    literal: str
    pattern: re.Pattern[str]


_registry = threading.Lock()
_remembered: set[str] = set()
_forms: tuple[_Form, ...] = ()


def remember(value: str) -> None:
    """From now on `redact` takes this value out of every text."""
    global _forms  # noqa: PLW0603 - redaction is global to the process
    if not value:
        return
    with _registry:
        if value in _remembered:
            return
        _remembered.add(value)
        # A private key may be printed line by line.
        parts = {value, *(line for line in value.splitlines() if len(line) >= 16)}
        new = (form for part in parts for form in _forms_of(part))
        _forms = tuple(sorted((*_forms, *new), key=lambda form: -form.length))


def redact(text: str) -> str:
    """`text` with every remembered value, in any of its forms, as `***`; the longest go first."""
    for form in _forms:
        if form.literal in text:
            text = form.pattern.sub(MASK, text)
    return text


def redact_json(data: JSON) -> JSON:
    """JSON data with the same done to each text and key; a number that is a value becomes `***`."""
    if isinstance(data, str):
        return redact(data)
    if isinstance(data, dict):
        return {redact(key): redact_json(value) for key, value in data.items()}
    if isinstance(data, list):
        return [redact_json(value) for value in data]
    if isinstance(data, (int, float)) and not isinstance(data, bool) and str(data) in _remembered:
        return MASK
    return data


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line: after arguments, traceback and stack were put in."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def _forms_of(value: str) -> Iterator[_Form]:
    whole_word = len(value) < SHORT
    yield _form(value, whole_word=whole_word)
    for encoding in ("utf-8", "utf-16-le"):
        data = value.encode(encoding, "surrogatepass")
        whole = base64.b64encode(data).decode().rstrip("=")
        yield _form(whole, whole_word=whole_word, in_base64=True)
        fragments = [] if whole_word else [_base64_fragment(data, before) for before in range(3)]
        yield from (_form(text, in_base64=True) for text in fragments if len(text) >= _SHORTEST_FRAGMENT)


def _base64_fragment(data: bytes, before: int) -> str:
    """The base64 characters that `data` alone decides when `before` bytes (modulo 3) precede it."""
    first, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
    return base64.b64encode(bytes(before) + data).decode()[first:end]


def _form(text: str, *, whole_word: bool = False, in_base64: bool = False) -> _Form:
    pattern = "".join(_any_escape(character, in_base64=in_base64) for character in text)
    if whole_word:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    literal = max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")
    return _Form(len(text), literal, re.compile(pattern))


_HTML_NAMES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_LETTER_ESCAPES = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_URL_SAFE_BASE64 = {"+": "-", "/": "_"}


def _any_escape(character: str, *, in_base64: bool = False) -> str:
    """A pattern for one character as it is, or as some encoding escapes it."""
    if character.isascii() and character.isalnum():
        return character  # no encoding touches these, and `_Form.literal` relies on it
    code = ord(character)
    options = [re.escape(character)]
    # Text that went through several hands is escaped several times: hence the repetitions.
    if character in "\\\"'/":
        options[0] = rf"\\*{re.escape(character)}"
    options.append("".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass")))
    units = character.encode("utf-16-be", "surrogatepass").hex()
    options.append("".join(rf"\\+u{units[at : at + 4]}" for at in range(0, len(units), 4)))
    options.append(rf"\\+(?:x{code:02x}|U{code:08x})" if code < 256 else rf"\\+U{code:08x}")
    options.append(f"&(?:amp;)*#(?:0*{code}|x0*{code:x});")
    if character in _HTML_NAMES:
        options.append(f"&(?:amp;)*{_HTML_NAMES[character]};")
    if character in _LETTER_ESCAPES:
        options.append(rf"\\+{_LETTER_ESCAPES[character]}")
    if character == " ":
        options.append(r"\+")
    if in_base64:
        options.append(re.escape(_URL_SAFE_BASE64[character]))
    return f"(?i:{'|'.join(options)})"
