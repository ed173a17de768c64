"""How deep an Access file of a site is looked into: by the visit, the way to the file, what was agreed, and
its size as soon as that is known. Pure.

Pages with rows are read over a link only with the client's consent in the site file. Whatever is left out for
the time that it would take is told, and never passes for looked at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from checkup.access_cost import ASSUMED_MBIT_PER_S, seconds_here, seconds_over_link
from checkup.api import AccessFile, Depth, Visit

DEPTHS: Final[tuple[Depth, ...]] = get_args(Depth)
WITH_ROWS: Final[frozenset[Depth]] = frozenset(("sample", "index", "pages", "rows"))
"""The depths that read pages with the values of rows."""

WITHOUT_ROWS: Final[Depth] = "maps"  # the deepest of the others

Consent = Literal["data-pages"]
DATA_PAGES: Final[Consent] = "data-pages"

# How long a look may take where nobody has decided otherwise: our own judgement of what a person waits for,
# and of how long a VPN may be kept busy.
MOST_HERE_S: Final = 60
MOST_OVER_LINK_S: Final = 900

BY_VISIT: Final[Mapping[Visit, tuple[Depth, str]]] = {
    Visit.INTERIM: ("maps", "an interim run looks at the structure"),
    Visit.THIRTY_DAY: ("maps", "a 30-day check-up looks at the structure"),
    Visit.SIX_MONTH: ("index", "a six-month check-up looks at every index"),
    Visit.TUNE_UP: ("rows", "a tune-up looks at every row"),
}

_WAYS_OF_HOSTS: Final = {"ssh": "sftp", "local": "file"}
_HERE: Final = ("file", "odbc")
SERVER_PAGES: Final = "server-pages"
# \\server\share\... and \\?\UNC\server\share\..., with either slash; not \\?\C:\... and \\.\...
_ON_A_SHARE: Final = re.compile(r"[\\/]{2}(?:[^\\/?.]|\?[\\/]UNC[\\/])", re.IGNORECASE)


def way_to(reach: str, host: str) -> str:
    """By which way a file is read, given the transports of its `reach:` ("" without) and of its host: "smb",
    "sftp", "file" or "odbc" on this machine, else "server-pages"."""
    return reach or _WAYS_OF_HOSTS.get(host, SERVER_PAGES)


def over_link(way: str, path: str) -> bool:
    """Do the pages that are read cross a network? A share that has a drive letter here cannot be told from a
    disk."""
    return way not in _HERE or bool(_ON_A_SHARE.match(path))


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How one file is going to be looked into.

    `wanted`, for the reason `because`, may take `most_s` seconds (None: any time); `settled` says what
    becomes of it. `size_bytes` is the size where the site file or an earlier run knows one.
    """

    wanted: Depth
    because: str
    over_link: bool = False
    most_s: int | None = None
    link_mbit_per_s: int | None = None
    size_bytes: int | None = None
    size_from: Literal["", "the site file", "the last reading"] = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """The depth that a file is looked into. `why` says why it is not the one wanted; "" where it is."""

    depth: Depth
    why: str = ""


def choose(
    visit: Visit,
    collectors: Collection[AccessFile],
    *,
    way: str,
    path: str,
    given: Depth | None = None,
    consent: bool = False,
    link_mbit_per_s: int | None = None,
    size_bytes: int | None = None,
    size_from: Literal["", "the site file", "the last reading"] = "",
) -> Look:
    """The look that a visit's collectors (at least one) are cut from; `given` is what the site file says."""
    link = over_link(way, path)
    rows_allowed = way != SERVER_PAGES and (consent or not link)
    wanted, because = BY_VISIT[visit]
    if given is not None:
        wanted, because = given, f"the site file says `depth: {given}`"
    if wanted in WITH_ROWS and not rows_allowed:
        wanted = WITHOUT_ROWS
        because = (
            "a server hands out no page with rows"
            if way == SERVER_PAGES
            else f"without `consent: [{DATA_PAGES}]` no page with rows crosses a link"
        )
    enough = deepest(collectors)
    if not _judges_all(collectors) and DEPTHS.index(enough) < DEPTHS.index(wanted):
        wanted, because = enough, "the checks that were asked for need no more"
    return Look(
        wanted=wanted,
        because=because,
        over_link=link,
        most_s=MOST_OVER_LINK_S if link else None if given is not None else MOST_HERE_S,
        link_mbit_per_s=link_mbit_per_s,
        size_bytes=size_bytes,
        size_from=size_from,
    )


def deepest(collectors: Collection[AccessFile]) -> Depth:
    depths: list[Depth] = [collector.depth for collector in collectors]
    return DEPTHS[max(map(DEPTHS.index, depths))]


def _judges_all(collectors: Collection[AccessFile]) -> bool:
    """The integrity of a file is judged as deep as it was looked into; every other part has its own depth."""
    return any("integrity" in collector.parts for collector in collectors)


def settled(look: Look, size_bytes: int) -> Settled:
    """What becomes of a look at a file of this size: the deepest that its time allows, the maps at least."""
    if look.wanted not in WITH_ROWS or look.most_s is None:
        return Settled(look.wanted)
    for depth in reversed(DEPTHS[DEPTHS.index(WITHOUT_ROWS) + 1 : DEPTHS.index(look.wanted) + 1]):
        if seconds(look, depth, size_bytes) <= look.most_s:
            return Settled(depth, "" if depth == look.wanted else _too_long(look, size_bytes))
    return Settled(WITHOUT_ROWS, _too_long(look, size_bytes))


def seconds(look: Look, depth: Depth, size_bytes: int) -> float:
    """About how long a look to this depth takes."""
    if look.over_link:
        return seconds_over_link(depth, size_bytes, look.link_mbit_per_s)
    return seconds_here(depth, size_bytes)


def _too_long(look: Look, size_bytes: int) -> str:
    taken = seconds(look, look.wanted, size_bytes)
    said = f"would take about {taken:,.0f} s of at most {look.most_s}"
    if not look.over_link:
        return f"{said}; write `depth: {look.wanted}` for this file to have it all the same"
    if look.link_mbit_per_s is None:
        return f"{said} over a link of {ASSUMED_MBIT_PER_S} Mbit/s, as assumed; write its `link_mbit_per_s:`"
    return f"{said} over a link of {look.link_mbit_per_s} Mbit/s; look on the server itself"
