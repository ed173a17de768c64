"""What PowerShell says on standard error when nobody watches: its streams, as XML behind a mark.

The format is [MS-PSRP] 2.2.5, a sequence of `<S S="Error">text</S>` in which characters that XML does
not take stand as `_x000A_`. It is read by pattern and not as XML, because it may be cut anywhere and
stand between plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

_MARK = b"#< CLIXML"
_LINE = re.compile(r'<S S="([A-Za-z]{1,20})">([^<]*)</S>')
_ESCAPE = re.compile(r"(?:_x[0-9A-Fa-f]{4}_)+")


def streams(said: bytes) -> Iterator[tuple[str, str]]:
    """(stream, text) in the order written; what is no CLIXML counts as "Error"."""
    for number, part in enumerate(said.split(_MARK)):
        text = part.decode("utf-8", "replace")
        if number == 0:
            if text.strip():
                yield "Error", text
            continue
        for line in _LINE.finditer(text):
            yield line[1], _decoded(html.unescape(line[2]))


def errors(said: bytes) -> str:
    """What was written to the error stream; "" where there were only progress, warnings and the like."""
    return "".join(text for stream, text in streams(said) if stream == "Error").strip()


def _decoded(text: str) -> str:
    return _ESCAPE.sub(_characters, text)


def _characters(escapes: re.Match[str]) -> str:
    # Characters beyond the first 65,536 come as two escapes that only together mean something.
    units = bytes.fromhex("".join(escapes[0].replace("_", "").split("x")))
    return units.decode("utf-16-be", "replace")
