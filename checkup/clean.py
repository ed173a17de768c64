"""Text from a client's machine, made harmless at the border of the model.

Everything that machine says is hostile input: it may hold escape sequences for a terminal, marks
that turn the reading direction, unpaired surrogates that no file takes, or ten megabytes.
"""

from __future__ import annotations

import re
import unicodedata

# Controls (tab and newline apart), surrogates, and the marks that reorder or hide text.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
CUT = " … (cut)"


def clean(text: str, limit: int = 2000) -> str:
    """`text` in normal form C, with unsafe characters as visible escapes, and at most `limit` long."""
    cut = len(text) > limit
    text = unicodedata.normalize("NFC", text[:limit])
    text = _UNSAFE.sub(lambda match: f"‹U+{ord(match.group()):04X}›", text)
    return text[: limit - len(CUT)] + CUT if cut or len(text) > limit else text


# A reason may name every GRANT that a check lacks.
REASON_LENGTH = 2000


def clean_line(text: str, limit: int = 300) -> str:
    """The same, on one line."""
    return clean(" ".join(text.split()), limit)
