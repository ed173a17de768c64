"""Short forms written out: a bare transport name, and the site's defaults under each host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checkup.api import JSON
from checkup.site.problems import KeyPath
from checkup.transports import CONNECTS

# A cath-lab control PC is left alone unless its own entry says otherwise; no site-wide default does.
UNTOUCHED_ROLE = "cath-control"


@dataclass(frozen=True, slots=True)
class Expanded:
    """Site data without short forms. `origins` says which values of a host came from `defaults`."""

    data: JSON
    origins: Mapping[KeyPath, KeyPath]

    def origin(self, keypath: KeyPath) -> KeyPath:
        """Where a value was written: its own place, or that of the default it was taken from."""
        for length in range(len(keypath), 0, -1):
            if keypath[:length] in self.origins:
                return self.origins[keypath[:length]] + keypath[length:]
        return keypath


def expand(data: JSON) -> Expanded:
    """Data of any shape in, the same data expanded out; what cannot be understood stays as it is."""
    if not isinstance(data, dict) or not isinstance(hosts := data.get("hosts"), list):
        return Expanded(data, {})
    origins: dict[KeyPath, KeyPath] = {}
    defaults = mapping(data.get("defaults"))
    expanded: list[JSON] = []
    for index, host in enumerate(hosts):
        expanded.append(_host(host, ("hosts", index), defaults, origins))
    return Expanded({**data, "hosts": expanded}, origins)


def mapping(data: JSON) -> dict[str, JSON]:
    """`data` if it is a mapping, else an empty one."""
    return data if isinstance(data, dict) else {}


def has_field(transport: JSON, key: str) -> bool:
    """True if the `connect:` of this transport has such a key."""
    model = CONNECTS.get(transport) if isinstance(transport, str) else None
    return model is not None and key in model.model_fields


def _host(host: JSON, path: KeyPath, defaults: dict[str, JSON], origins: dict[KeyPath, KeyPath]) -> JSON:
    if not isinstance(host, dict):
        return host
    host = dict(host)
    for key in ("connect", "fallback"):
        if key in host:
            host[key] = _connect(host, key, path, mapping(defaults.get("connect")), origins)
    if "touch" in defaults and "touch" not in host and host.get("role") != UNTOUCHED_ROLE:
        host["touch"] = defaults["touch"]
        origins[(*path, "touch")] = ("defaults", "touch")
    return host


def _connect(
    host: dict[str, JSON],
    way: str,
    path: KeyPath,
    defaults: dict[str, JSON],
    origins: dict[KeyPath, KeyPath],
) -> JSON:
    written = host[way]
    if not isinstance(written, (str, dict)):
        return written
    connect: dict[str, JSON] = {"transport": written} if isinstance(written, str) else written
    transport = connect.get("transport", defaults.get("transport"))
    if defaults.get("transport", transport) != transport:
        return connect
    inherited = {
        key: value
        for key, value in defaults.items()
        if key not in connect and has_field(transport, key) and not _jumps_through_itself(key, value, host)
    }
    origins |= {(*path, way, key): ("defaults", "connect", key) for key in inherited}
    return {**connect, **inherited}


def _jumps_through_itself(key: str, value: JSON, host: dict[str, JSON]) -> bool:
    """True for the jump host itself: what all others go through, it is reached without."""
    return key == "jump" and value == host.get("id")
