"""A recording of a client's machine without what would tell whose it is.

The same value becomes the same stand-in everywhere, so that what belongs together still does. Numbers that
mean the same on every machine (groups of Windows, classes of devices, power plans) are kept.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from checkup.api import JSON

# Properties whose whole value tells whose machine it is, whatever it looks like.
_TELLING = re.compile(
    r"^(serial_?number|uuid|identifying_?number|asset_?tag|tag|user_?name|user|owner|registered_?(user|owner|"
    r"organi[sz]ation)|organi[sz]ation|cs_?name|system_?name|ps_?computer_?name|host_?name|dns_?host_?name|"
    r"domain|work_?group|primary_?owner_?name|mac_?address|thumbprint|subject|issuer|full_?name|ssid|"
    r"client_?(computer|user)_?name|password)$",
    re.IGNORECASE,
)
_VERSION = re.compile(r"version|build|release", re.IGNORECASE)

_GUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")
_SID = re.compile(r"S-1-5-21-\d+-\d+-\d+|S-1-12-1-\d+-\d+-\d+-\d+")
_MAC = re.compile(r"\b[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}\b")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_IPV4 = re.compile(r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])")
_MAYBE_IPV6 = re.compile(r"(?<![0-9A-Fa-f:.])[0-9A-Fa-f:]*:[0-9A-Fa-f]*:[0-9A-Fa-f:]*(?![0-9A-Fa-f:.])")
_SERVER = re.compile(r"(?<=\\\\)[A-Za-z0-9][A-Za-z0-9._-]*(?=\\)")
_PROFILE = re.compile(r"(?i)(\\users\\|/home/)(?!public\b|default\b|all users\b)([^\\/\"]+)")
_SAME_EVERYWHERE = re.compile(r"^(127\.|0\.0\.0\.0$|255\.|169\.254\.|22[4-9]\.|239\.)")
# Accounts that every machine has.
COMMON = frozenset({"root", "administrator", "system", "guest", "nobody", "network service", "local service"})
# Microsoft's own: products of Office, and what ends in the node of an old class registry.
_PUBLIC_GUID = re.compile(r"(?i)(0000000ff1ce|08002be10318|-c000-000000000046)$")


@dataclass
class Scrubber:
    """`words` are names to replace wherever they stand as a word, each with what it is; `known_guids` mean
    the same on every machine."""

    words: Mapping[str, str] = field(default_factory=dict[str, str])
    known_guids: frozenset[str] = frozenset()
    _given: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    _counts: dict[str, int] = field(default_factory=dict[str, int])
    _made: set[str] = field(default_factory=set[str])

    def clean(self, value: JSON, key: str = "") -> JSON:
        """The same data with stand-ins; types, keys and the order stay."""
        match value:
            case dict():
                return {self.text(name): self.clean(one, name) for name, one in value.items()}
            case list():
                return [self.clean(one, key) for one in value]
            case str():
                return (
                    self._telling(value, key)
                    if _TELLING.match(key) and value.strip()
                    else self.text(value, key)
                )
            case _:
                return value

    def name(self, kind: str, value: str) -> str:
        """A stand-in for a whole value: the one of that word, where it is known as one."""
        known = {word.lower(): what for word, what in self.words.items()}
        return self._stand_in(known.get(value.lower(), kind), value)

    def text(self, text: str, key: str = "") -> str:
        """A text with everything in it replaced that is seen to be of one machine."""
        text = self._known_words(text)
        text = _GUID.sub(lambda found: self._guid(found[0]), text)
        text = _SID.sub(lambda found: f"S-1-5-21-1000-1000-{self._number('sid', found[0])}", text)
        text = _EMAIL.sub(
            lambda found: f"person-{self._number('person', found[0].lower())}@example.org", text
        )
        text = _MAC.sub(
            lambda found: f"02-00-00-00-00-{self._number('mac', found[0].lower()) % 256:02x}", text
        )
        text = _SERVER.sub(lambda found: self._server(found[0]), text)
        text = _PROFILE.sub(lambda found: found[1] + self._user(found[2]), text)
        text = _MAYBE_IPV6.sub(lambda found: self._ipv6(found[0]), text)
        if not _VERSION.search(key):
            text = _IPV4.sub(lambda found: self._ipv4(found[0]), text)
        return text

    def _known_words(self, text: str) -> str:
        for word, kind in sorted(self.words.items(), key=lambda item: -len(item[0])):
            if len(word) > 1 and word.lower() in text.lower() and word.lower() not in COMMON:
                pattern = rf"(?i)(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])"
                text = re.sub(pattern, self._stand_in(kind, word).replace("\\", r"\\"), text)
        return text

    def _telling(self, text: str, key: str) -> str:
        if text.lower() in COMMON:
            return text
        known = {name.lower(): kind for name, kind in self.words.items()}
        if text.lower() in known:
            return self._stand_in(known[text.lower()], text)
        return self._stand_in(re.sub(r"[^a-z]", "", key.lower()), text)

    def _server(self, name: str) -> str:
        return name if name == "." or name in self._made else self._stand_in("host", name)

    def _user(self, name: str) -> str:
        return name if name in self._made else self._stand_in("user", name)

    def _guid(self, guid: str) -> str:
        if guid.lower() in self.known_guids or _PUBLIC_GUID.search(guid):
            return guid
        return f"00000000-0000-4000-8000-{self._number('guid', guid.lower()):012d}"

    def _ipv4(self, address: str) -> str:
        if _SAME_EVERYWHERE.match(address):
            return address
        number = self._number("ipv4", address)
        return f"192.0.2.{number}" if number < 255 else f"198.51.100.{number % 254 + 1}"

    def _ipv6(self, text: str) -> str:
        """A time of day has colons as well."""
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            return text
        if address.is_loopback or address.is_unspecified:
            return text
        return f"2001:db8::{self._number('ipv6', str(address)):x}"

    def _stand_in(self, kind: str, value: str) -> str:
        made = f"{kind}-{self._number(kind, value.lower())}"
        self._made.add(made)
        return made

    def _number(self, kind: str, value: str) -> int:
        key = kind, value
        if key not in self._given:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._given[key] = self._counts[kind]
        return self._given[key]


def guids_in(texts: Iterable[str]) -> frozenset[str]:
    """Those that stand in our own code, and so mean the same on every machine."""
    return frozenset(found.lower() for text in texts for found in _GUID.findall(text))
