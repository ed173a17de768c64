"""The check-ups of the contract: what they are called, what they are for, who is entitled to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from checkup.api import Visit


class Package(StrEnum):
    """What the client bought; premium includes all of deluxe."""

    DELUXE = "deluxe"
    PREMIUM = "premium"


@dataclass(frozen=True, slots=True)
class VisitText:
    """`title` stands at the head of a report, `name` within a sentence; `meaning` is one sentence
    for the client; `remote` is false where somebody travels to the site."""

    title: str
    meaning: str
    remote: bool = True

    @property
    def name(self) -> str:
        return self.title[0].lower() + self.title[1:]


VISITS: Mapping[Visit, VisitText] = MappingProxyType(
    {
        Visit.THIRTY_DAY: VisitText(
            "30-day check-up",
            "Shows, a month after installation, whether everything is installed as sold, backed up and "
            "reachable, and takes the first measurements that later check-ups are compared with.",
        ),
        Visit.SIX_MONTH: VisitText(
            "Six-month check-up",
            "Shows, half a year after the on-site visit, what has changed since then, which earlier findings "
            "are closed, and what will run out before the next visit.",
        ),
        Visit.TUNE_UP: VisitText(
            "Tune-up analysis",
            "The annual visit on site, one day at most: open findings, recovery, speed and devices are gone "
            "through by hand, on top of everything a remote check-up sees.",
            remote=False,
        ),
        Visit.INTERIM: VisitText(
            "Interim check-up",
            "A look in between outside the contract: it neither fulfils nor postpones a visit.",
        ),
    }
)

# The visits that each package promises, in the order in which they first fall due.
PROMISED: Mapping[Package, tuple[Visit, ...]] = MappingProxyType(
    {
        Package.DELUXE: (Visit.THIRTY_DAY,),
        Package.PREMIUM: (Visit.THIRTY_DAY, Visit.SIX_MONTH, Visit.TUNE_UP),
    }
)
