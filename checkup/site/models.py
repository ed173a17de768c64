"""The site file's shape. Strict, frozen, and closed: what is not named here is refused.

References between its parts (credentials, hosts, jump hosts) are checked in references.py, levels
and declarations by the catalogue, which knows the probes.
"""

from __future__ import annotations

import json
import re
import zoneinfo
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from checkup.access_depth import Consent
from checkup.api import JSON, Depth, Target, Visit
from checkup.secrets import is_reference
from checkup.site.expand import UNTOUCHED_ROLE
from checkup.site.problems import nearest
from checkup.transports import CONNECTS
from checkup.transports.access_source.connect import AccessFile
from checkup.transports.connect import ConnectModel
from checkup.transports.odbc.connect import SqlPlace


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def refused(message: str, hint: str = "") -> PydanticCustomError:
    """A problem in our own words; neither text may repeat a value of the file."""
    return PydanticCustomError("site_file", "{message}", {"message": message, "hint": hint})


# --- texts ------------------------------------------------------------------------------------

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
COUNTRY_PATTERN = r"^[A-Z]{2}$"
SUBDIVISION_PATTERN = r"^[A-Z0-9]{1,5}$"
EMAIL_PATTERN = r"^[^@\s]+@[^@\s]+$"
REFERENCE_PATTERN = r"^(keyring|env|file|command|systemd|prompt):"

PATTERNS: Mapping[str, str] = {
    NAME_PATTERN: "must be lower-case letters, digits and hyphens, at most 63",
    COUNTRY_PATTERN: "must be a country code of two capital letters, like US",
    SUBDIVISION_PATTERN: "must be the code of a state or region, like CO",
    EMAIL_PATTERN: "must be an e-mail address",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": 'must be a time of day, like "17:00"',
}

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\r\n]*$")]


def _check_zone(name: str) -> str:
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Too many names to list, so a hint only where one is close.
        hint = nearest(name, zoneinfo.available_timezones()) or "like America/Denver"
        raise refused("there is no such time zone", hint) from None
    return name


def _check_secret(value: object) -> object:
    if not isinstance(value, str) or not is_reference(value):
        raise refused(
            "a secret is never written here, only where to find it",
            'like "keyring:service/user", "env:NAME", "file:PATH", "prompt:"',
        )
    if value.startswith("agent:"):
        raise refused("an agent hands out no secret", "write `agent: true` instead")
    return value


def _check_key_file(path: str) -> str:
    if "\n" in path or "-----BEGIN" in path:
        raise refused("this is a private key, not its file", "write the path of the key's file")
    return path


Zone = Annotated[str, AfterValidator(_check_zone)]
Reference = Annotated[str, BeforeValidator(_check_secret), Field(pattern=REFERENCE_PATTERN)]
KeyFile = Annotated[str, Field(min_length=1), AfterValidator(_check_key_file)]


# --- dates ------------------------------------------------------------------------------------

DATE_PATTERN = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,5} days? ago)$"
_DAYS_AGO = re.compile(r"([0-9]{1,5}) days? ago")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _read_date(value: object, info: ValidationInfo) -> date:
    """A date; "N days ago" is counted from `today` in the validation context."""
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and _ISO.fullmatch(value):
            return date.fromisoformat(value)
        ago = _DAYS_AGO.fullmatch(value) if isinstance(value, str) else None
        context: Mapping[str, Any] = info.context or {}
        if ago and "today" in context:
            return context["today"] - timedelta(days=int(ago[1]))
    except (ValueError, OverflowError):
        pass  # 2026-02-30, or before year 1: as wrong as any other text
    raise refused("must be a date", "like 2026-04-20")


Day = Annotated[
    date, BeforeValidator(_read_date), WithJsonSchema({"type": "string", "pattern": DATE_PATTERN})
]


# --- values of several types --------------------------------------------------------------------


def _one_of_several(value: Any, handler: Callable[[Any], Any], message: str) -> Any:
    """One message in place of one for each type that it could have been."""
    try:
        # Behind a wrapping validator a list is no longer JSON, where it may stand for a tuple.
        return handler(tuple(cast("list[Any]", value)) if isinstance(value, list) else value)
    except ValidationError:
        raise refused(message) from None


def _level_value(value: Any, handler: Callable[[Any], Any]) -> Any:
    return _one_of_several(value, handler, "must be a number, text, true or false, or a list of texts")


def _declared(value: Any, handler: Callable[[Any], Any]) -> Any:
    return _one_of_several(value, handler, "must be text, a whole number, or a list of texts")


def _level_kind(value: Any) -> str:
    return "items" if isinstance(value, Mapping) else "value"


Texts = tuple[str, ...]
LevelValue = Annotated[bool | int | float | str | Texts, WrapValidator(_level_value)]
ItemLevels = Mapping[str, Mapping[str, LevelValue]]
Level = Annotated[
    Annotated[LevelValue, Tag("value")] | Annotated[ItemLevels, Tag("items")], Discriminator(_level_kind)
]
Levels = Mapping[str, Mapping[str, Level]]  # probe id -> level -> value, or "items" -> item -> level -> value
Declaration = Annotated[int | str | Texts, WrapValidator(_declared)]


# --- the site and its contract ----------------------------------------------------------------


TIME_PATTERN = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
TimeOfDay = Annotated[str, Field(pattern=TIME_PATTERN)]


class ClinicHours(Model):
    """Hours of work, Monday to Friday, on the client's wall clock: machines with `touch: quiet` are
    left alone in them."""

    opens: TimeOfDay = "07:00"
    closes: TimeOfDay = "19:00"


class SiteInfo(Model):
    """Who the client is and where its wall clock and holidays are."""

    id: Name
    name: Line
    timezone: Zone
    country: Annotated[str, Field(pattern=COUNTRY_PATTERN)]
    subdivision: Annotated[str, Field(pattern=SUBDIVISION_PATTERN)] | None = None
    closed_days: tuple[Day, ...] = ()
    observed: bool = True  # a holiday at a weekend is kept on the working day beside it
    clinic_hours: ClinicHours = ClinicHours()


class Package(StrEnum):
    DELUXE = "deluxe"
    PREMIUM = "premium"


class Delivered(Model):
    """A visit that was delivered before this tool was used."""

    visit: Literal[Visit.THIRTY_DAY, Visit.SIX_MONTH, Visit.TUNE_UP]
    on: Day


class Contract(Model):
    """What was bought. `installed` is the first production use and anchors the 30-day check-up;
    the last of `onsite` (delivered on-site tune-ups) anchors the six-month check-up."""

    package: Package
    installed: Day
    onsite: tuple[Day, ...] = ()
    delivered: tuple[Delivered, ...] = ()


class Contact(Model):
    name: Line | None = None
    email: Annotated[str, Field(pattern=EMAIL_PATTERN)] | None = None
    phone: Line | None = None


class Contacts(Model):
    practice_manager: Contact | None = None
    is_staff: Contact | None = None
    account_manager: Contact | None = None
    engineer: Contact | None = None


class Function(Model):
    """A major function of the site: the hosts it needs, and how work goes on without it."""

    needs: Annotated[tuple[Name, ...], Field(min_length=1)]
    workaround: Line | None = None


# --- ways in ----------------------------------------------------------------------------------


class Credential(Model):
    """An account on the client's machines: a key file, a password, or the keys of an agent; for
    Windows also a client certificate (with its `key:`), a keytab, or `ticket: true`, the Kerberos
    ticket of whoever runs the check-up."""

    user: Line
    key: KeyFile | None = None
    certificate: KeyFile | None = None
    keytab: KeyFile | None = None
    passphrase: Reference | None = None
    password: Reference | None = None
    agent: bool = False
    ticket: bool = False

    @model_validator(mode="after")
    def _can_log_in(self) -> Credential:
        if not (self.key or self.password or self.agent or self.keytab or self.ticket):
            raise refused(
                "a user alone cannot log in",
                "add `key:`, `password:`, `agent: true`, `keytab:` or `ticket: true`",
            )
        if self.certificate and not self.key:
            raise refused("a certificate without its private key", "add `key:`")
        if self.passphrase and not self.key:
            raise refused("a passphrase without a key", "add `key:`, or remove `passphrase:`")
        return self


class Touch(StrEnum):
    """May a machine be examined: not at all (no connection is opened), in quiet hours, or any time."""

    NEVER = "never"
    QUIET = "quiet"
    ANY = "any"


def _default_value(value: Any, handler: Callable[[Any], Any]) -> Any:
    return _one_of_several(value, handler, "must be text, a number, true or false")


DefaultValue = Annotated[bool | int | float | str, WrapValidator(_default_value)]


class Defaults(Model):
    """What hosts share. `connect` is completed and checked under each host that takes it."""

    connect: Mapping[str, DefaultValue] = Field(default_factory=dict[str, Any])
    touch: Touch | None = None


class TagSettings(Model):
    levels: Levels = Field(default_factory=dict[str, Any])


if TYPE_CHECKING:

    class Connect(ConnectModel):
        """One of the transports' own `connect:` models."""

        transport: str

else:
    Connect = Annotated[Union[tuple(CONNECTS.values())], Field(discriminator="transport")]  # noqa: UP007 - the transports say what it is a union of


def _touch_by_role(given: dict[str, Any]) -> Touch:
    return Touch.NEVER if given.get("role") == UNTOUCHED_ROLE else Touch.ANY


def _platform_by_transport(given: dict[str, Any]) -> Literal["posix", "windows"]:
    return "windows" if getattr(given.get("connect"), "transport", "") == "winrm" else "posix"


class Host(Model):
    id: Name
    title: Line | None = None
    role: Name | None = None
    tags: tuple[Name, ...] = ()
    connect: Connect
    fallback: Connect | None = None  # tried where `connect` gives no shell
    platform: Literal["posix", "windows"] = Field(default_factory=_platform_by_transport)
    touch: Touch = Field(default_factory=_touch_by_role)
    identity: Line | None = None
    declare: Mapping[str, Declaration] = Field(default_factory=dict[str, Any])
    levels: Levels = Field(default_factory=dict[str, Any])


# --- Access files -----------------------------------------------------------------------------


class AccessTarget(AccessFile):
    """An Access file to be examined: where it lies, and what is declared and decided for it.

    `depth` is how deep it is looked into, by default as deep as the visit and the way to it allow;
    `consent` is what the client has agreed to: "data-pages", that pages with patients' values cross a
    link. `size_mb` (of 1024 x 1024 bytes) is its size as long as no run has seen it, `link_mbit_per_s` the
    speed of the link to it: both are for estimates, and to stay within the time that a look may take.
    """

    depth: Depth | None = None
    consent: tuple[Consent, ...] = ()
    size_mb: Annotated[int, Field(ge=1, le=2048)] | None = None
    link_mbit_per_s: Annotated[int, Field(ge=1, le=100_000)] | None = None
    tags: tuple[Name, ...] = ()
    declare: Mapping[str, Declaration] = Field(default_factory=dict[str, Any])
    levels: Levels = Field(default_factory=dict[str, Any])


# --- SQL instances ----------------------------------------------------------------------------


class SqlTarget(SqlPlace):
    """An instance of a SQL engine to be examined, with all its databases.

    `host` is the machine of the site that runs it: its address and its `touch` hold for the instance too.
    `databases` are those that must be there.
    """

    id: Name
    title: Line | None = None
    role: Name | None = None
    host: str = ""
    identity: Line | None = None
    databases: tuple[Line, ...] = ()
    tags: tuple[Name, ...] = ()
    declare: Mapping[str, Declaration] = Field(default_factory=dict[str, Any])
    levels: Levels = Field(default_factory=dict[str, Any])

    @model_validator(mode="after")
    def _somewhere(self) -> SqlTarget:
        if not self.host and not self.server:
            raise refused("this says not where the instance is", "add `host:` or `server:`")
        return self

    def at(self, address: str) -> SqlTarget:
        """The same with its server: its own, or else its host's address."""
        return self if self.server else self.model_copy(update={"server": address})


# --- the rest ---------------------------------------------------------------------------------


class Waiver(Model):
    """A finding that the client accepts until a date. `target` is a host, "" for a check of the
    whole site; without `item` it covers all items of the target; `accepted` is the worst value
    accepted, in the unit of the probe's metric."""

    probe: Line
    target: str = ""
    item: str = ""
    reason: Line
    approved_by: Line
    until: Day
    accepted: float | None = None


class Report(Model):
    prepared_by: Line | None = None
    confidentiality: Line = "Confidential"


class Site(Model):
    """One client installation, as its site file describes it."""

    version: Literal[1]
    site: SiteInfo
    contract: Contract
    contacts: Contacts = Contacts()
    functions: Mapping[Name, Function] = Field(default_factory=dict[str, Function])
    credentials: Mapping[Name, Credential] = Field(default_factory=dict[str, Credential])
    defaults: Defaults = Defaults()
    levels: Levels = Field(default_factory=dict[str, Any])
    tags: Mapping[Name, TagSettings] = Field(default_factory=dict[str, TagSettings])
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    access: tuple[AccessTarget, ...] = ()
    sql: tuple[SqlTarget, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    report: Report = Report()

    def day(self, at: datetime) -> date:
        """The client's own date at this moment."""
        return at.astimezone(zoneinfo.ZoneInfo(self.site.timezone)).date()

    def targets(self) -> tuple[Target, ...]:
        """Everything that is examined, in the order of the file: hosts, then Access files, then instances."""
        roles = {host.id: host.role or "" for host in self.hosts}
        files = tuple(
            Target(
                id=file.id,
                kind="access",
                endpoint=file.id,
                title=file.title,
                role=file.role,
                tags=file.tags,
                declare=file.declare,
                path=file.path,
                share=getattr(file.reach, "below", ""),
                host_role=roles.get(file.host, ""),
                copy_of=file.backup_of,
            )
            for file in self.access
        )
        hosts = tuple(
            Target(
                id=host.id,
                kind="host",
                endpoint=host.id,
                platform=host.platform,
                title=host.title or "",
                role=host.role or "",
                tags=host.tags,
                declare=host.declare,
            )
            for host in self.hosts
        )
        instances = tuple(
            Target(
                id=instance.id,
                kind=instance.engine,
                endpoint=instance.id,
                title=instance.title or "",
                role=instance.role or "",
                tags=instance.tags,
                declare={**instance.declare, "databases": instance.databases},
                host_role=roles.get(instance.host, ""),
            )
            for instance in self.sql
        )
        return (*hosts, *files, *instances)


def public_json(site: Site) -> JSON:
    """The resolved site as JSON data, to be kept with a run: defaults merged, dates computed.

    It holds no secret, because a site file holds none: references say only where a secret is.
    """
    return site.model_dump(mode="json")


def from_public_json(data: JSON) -> Site:
    """The inverse of `public_json`."""
    return Site.model_validate_json(json.dumps(data))
