"""One batch for a POSIX machine: a plain, readable script for the standard input of `sh`.

The script is 7-bit ASCII and runs under dash, bash and busybox; a csh login shell only ever sees
`exec sh`. All of it is one function, called on the last line: a script that was cut on its way runs
nothing. `prologue.sh` holds what is the same in every batch; below it stand one call of `hello`, one
call of `section` for each section, with the section's own code in single quotes, and `goodbye`.

- Nothing is written on the machine: no temporary file, no here-document (a shell may keep one in a
  file), no redirection but to /dev/null and between descriptors.
- A section's code runs in a shell of its own, with an empty standard input, under `timeout` where the
  machine has one (HELLO says `timeout=yes|no`; without it the reader of the frames has to watch).
- Its exit status becomes its quality: 0 ok; 41 absent, 42 unsupported, 43 denied, 44 partial, which
  the functions of these names set; 126 and 127 (no such command) absent; killed at the deadline
  timeout; anything else bad output. `partial` lets the section go on, the other three end it.
- The beginning of what it says on standard error is the frame's reason, its output the payload: at
  most a megabyte, and text. Bytes that are no text arrive as they are; NUL bytes, which a shell's
  variable cannot hold, make the section bad output.
- Parameters are arguments of the call, never code: each byte that is not a harmless character is
  written as `\\0ooo` for `printf %b`, which all three shells have built in. Only the section that they
  belong to sees them, as `P_<name>`.
- Everything runs with LC_ALL=C, umask 077, /usr/sbin and /sbin at the end of PATH.

The batch's hash is the SHA-256 of the script without the line that names it; the first twelve digits
are the token that every frame carries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

from checkup.batch.section import BatchSection, check_identifier, check_parameter, checked_code, where_of

# One argument of a program may have 131,072 bytes on Linux.
MOST_ARGUMENT_BYTES = 120_000

_HARMLESS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 _./:@,+=-")
_BATCH_LINE = re.compile(rb"^batch='([0-9a-f]{64})'$", re.MULTILINE)


def assemble(sections: Sequence[BatchSection], *, site: str, endpoint: str, checksums: bool = True) -> bytes:
    """The batch that collects these sections in this order.

    Without `checksums` the frames carry none, which saves the machine a process per section: for a
    connection that has check sums of its own, like SSH.

    Raises ValueError, naming the section, for what cannot be sent: an identifier with other
    characters than letters, digits, dot, dash and underscore; code that is not plain ASCII; a
    parameter with a NUL character, or a list whose value holds a line break.
    """
    check_identifier(site, "site")
    check_identifier(endpoint, "endpoint")
    body = [*_prologue()]
    if not checksums:
        body.append("has_cksum=no # the connection has check sums of its own")
    body.append(f"hello '{site}' '{endpoint}' \"$batch\"")
    for section in sections:
        body += ["", _call(section)]
    body += ["", "goodbye", "} </dev/null 2>&1", "", "checkup_batch", ""]
    opening = [f"# A check-up of {endpoint}, site {site}.", "checkup_batch() {"]
    batch = sha256("\n".join([*opening, *body]).encode("ascii")).hexdigest()
    return "\n".join([*opening, f"batch='{batch}'", *body]).encode("ascii")


def batch_of(script: bytes) -> str:
    """The hash that an assembled script carries and its HELLO reports."""
    found = _BATCH_LINE.search(script)
    if found is None:
        raise ValueError("this is not a batch for a POSIX shell: it has no batch='…' line")
    return found[1].decode("ascii")


def token_of(script: bytes) -> str:
    """What every frame of this script carries, so that noise is never taken for a frame."""
    return batch_of(script)[:12]


def script_text(section: BatchSection) -> str:
    """A section's own code as plan and report show it: what it is given, and what it runs."""
    given = [f"# P_{name}={_encoded(section, name)}" for name in section.parameters]
    return "\n".join([*given, section.script.strip("\n"), ""])


def _call(section: BatchSection) -> str:
    where = where_of(section)
    code = checked_code(section)
    if len(code) > MOST_ARGUMENT_BYTES:
        raise ValueError(
            f"{where}: its code has {len(code)} bytes, at most {MOST_ARGUMENT_BYTES} can be sent"
        )
    words = ["section", section.target, section.name, str(section.version), str(section.timeout_s)]
    given = "".join(f" \\\n  {name} '{_encoded(section, name)}'" for name in section.parameters)
    return " ".join(words) + " " + _quoted(f"\n{code}\n") + given


def _encoded(section: BatchSection, name: str) -> str:
    """A parameter's value, each byte as itself or as an octal escape."""
    where = f"parameter {name!r} of {where_of(section)}"
    text = check_parameter(section, name)
    encoded = "".join(_escaped(text, where))
    if len(encoded) > MOST_ARGUMENT_BYTES:
        raise ValueError(
            f"{where}: encoded it has {len(encoded)} bytes, at most {MOST_ARGUMENT_BYTES} can be sent"
        )
    return encoded


def _escaped(text: str, where: str) -> Iterator[str]:
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{where}: it holds characters that UTF-8 cannot express") from None
    for byte in content:
        yield chr(byte) if byte in _HARMLESS else f"\\0{byte:03o}"


def _quoted(code: str) -> str:
    return "'" + code.replace("'", "'\\''") + "'"


@cache
def _prologue() -> tuple[str, ...]:
    text = files("checkup.batch").joinpath("prologue.sh").read_text(encoding="ascii")
    return (*text.splitlines(), "", 'token=${batch%"${batch#????????????}"}', "prepare")
