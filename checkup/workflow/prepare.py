"""From a site file to what a run needs: the site, the probes that are installed, the store."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from checkup import catalogue, site
from checkup.catalogue import Catalogue
from checkup.secrets import redact
from checkup.site import LoadedSite, Site

if TYPE_CHECKING:
    from checkup.store import Store


@dataclass(frozen=True)
class Prepared:
    """A site file that is in order, with the probes it may name. Nothing was contacted."""

    loaded: LoadedSite
    catalogue: Catalogue

    @property
    def site(self) -> Site:
        return self.loaded.site

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.site.timezone)


def utc_now() -> datetime:
    return datetime.now(UTC)


def prepare(path: Path, now: datetime) -> Prepared:
    """Load and check a site file. Raises SiteFileError with every problem, or CatalogueError."""
    probes = catalogue.load()
    loaded = site.load(path, today=now.date())
    catalogue.check_site(loaded, probes)
    return Prepared(loaded, probes)


def store_at(url: str | None) -> Store:
    """The store at `url`, or the user's own. Everything written to it is redacted first."""
    from checkup.store import default_url, open_store

    return open_store(url or default_url(), redact=redact)


@contextmanager
def existing_store(url: str | None) -> Generator[Store | None]:
    """The store for reading, or None if there is none yet: looking must not make one."""
    from checkup.store import default_url
    from checkup.store.location import file_of

    chosen = url or default_url()
    file = file_of(chosen)
    if file is not None and not file.exists():
        yield None
        return
    with store_at(chosen) as store:
        yield store
