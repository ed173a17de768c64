"""The site file: its shape, how it is read, and what may be wrong with it."""

from checkup.site.json_schema import schema
from checkup.site.loader import LoadedSite, load, load_text
from checkup.site.models import Site, from_public_json, public_json
from checkup.site.problems import Position, Problem, SiteFileError, SourceMap
from checkup.site.template import FirstHost, FirstSite, first_site

__all__ = [
    "FirstHost",
    "FirstSite",
    "LoadedSite",
    "Position",
    "Problem",
    "Site",
    "SiteFileError",
    "SourceMap",
    "first_site",
    "from_public_json",
    "load",
    "load_text",
    "public_json",
    "schema",
]
