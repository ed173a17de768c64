"""What a machine says about itself in the first frame: one `key=value` a line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from checkup.clean import clean_line

MOST_KEYS = 64
MOST_VALUE_CHARACTERS = 300

_LINE = re.compile(r"([a-z][a-z0-9_]{0,31})=(.*)")


def read_hello(payload: bytes) -> Mapping[str, str]:
    """The pairs of a HELLO payload, cleaned; the first of a repeated key counts.

    What is no pair is left out, and so is everything after 64 keys: this is a machine's own text, and
    no reader may fail on it. Keys of a POSIX batch: protocol, platform, site, endpoint, batch,
    hostname, kernel, os_id, os_version, identity, uid, user, utc (seconds since 1970, with decimals
    where the machine has them), timeout (yes or no), missing (commands, by spaces). A value that the
    machine does not know is empty.
    """
    pairs: dict[str, str] = {}
    for line in payload[: MOST_KEYS * 1024].decode("utf-8", "replace").split("\n"):
        found = _LINE.fullmatch(line)
        if found and len(pairs) < MOST_KEYS:
            pairs.setdefault(found[1], clean_line(found[2], MOST_VALUE_CHARACTERS))
    return pairs
