"""A clinic of real OpenSSH servers on loopback, with the files that each client needs to reach it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from bench.relay import Address, Relaying, relaying
from checkup.api import Visit
from checkup.plan import Plan
from checkup.workflow.collecting import plan_run
from checkup.workflow.prepare import Prepared, prepare, utc_now
from tests.servers.sshd import Sshd, make_key, sshd


@dataclass(frozen=True)
class Lab:
    """Servers that let `user` in with `key`."""

    folder: Path
    servers: tuple[Sshd, ...]
    key: Path

    @property
    def user(self) -> str:
        return self.servers[0].user


@contextmanager
def lab(folder: Path, hosts: int) -> Iterator[Lab]:
    """`hosts` servers, each with an address and a host key of its own.

    A login finds an empty home: what somebody's .bashrc costs is no part of what is measured.
    """
    key = make_key(folder / "key")
    home = folder / "home"
    home.mkdir()
    quick = {"SetEnv": f"HOME={home}"}
    addresses = [f"127.7.{number // 200}.{number % 200 + 1}" for number in range(hosts)]
    with ExitStack() as running:
        started = [
            running.enter_context(sshd(folder / address, address=address, key=key, options=quick))
            for address in addresses
        ]
        yield Lab(folder, tuple(started), key)


@dataclass(frozen=True)
class Line:
    """The way to some of a lab's servers, each under its place in `reached`."""

    lab: Lab
    folder: Path
    reached: tuple[Address, ...]
    relay: Relaying | None

    @property
    def site_file(self) -> Path:
        return self.folder / "site.yaml"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def names(self) -> list[str]:
        return [f"srv-{number:03}" for number in range(1, len(self.reached) + 1)]

    def ssh_options(self) -> list[str]:
        """What any OpenSSH client needs, as `-o` takes it: nothing of the user's own is used."""
        return [
            f"IdentityFile={self.lab.key}",
            "IdentitiesOnly=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.known_hosts}",
            "BatchMode=yes",
        ]


@contextmanager
def line(at: Lab, hosts: int, round_trip_ms: float) -> Iterator[Line]:
    """The way to the first `hosts` servers: directly, or through a relay with this round trip."""
    servers = at.servers[:hosts]
    reached: list[Address] = [(server.address, server.port) for server in servers]
    folder = Path(mkdtemp(prefix="line-", dir=at.folder))
    with ExitStack() as running:
        relay = None
        if round_trip_ms:
            relay = running.enter_context(relaying(reached, round_trip_ms / 1000))
            reached = [(host, port) for (host, _), port in zip(reached, relay.ports, strict=True)]
        way = Line(at, folder, tuple(reached), relay)
        way.site_file.write_text(json.dumps(_site(way)), encoding="ascii")
        way.known_hosts.write_text(_known_hosts(way), encoding="ascii")
        yield way


def _site(way: Line) -> dict[str, object]:
    """The site file; JSON is YAML too."""
    return {
        "version": 1,
        "site": {"id": "bench", "name": "Bench", "timezone": "UTC", "country": "US"},
        "contract": {"package": "premium", "installed": "400 days ago"},
        "credentials": {"main": {"user": way.lab.user, "key": str(way.lab.key)}},
        "hosts": [
            {
                "id": name,
                "connect": {
                    "transport": "ssh",
                    "host": address,
                    "port": port,
                    "host_key": server.host_key,
                    "credential": "main",
                },
            }
            for name, (address, port), server in zip(way.names, way.reached, way.lab.servers, strict=False)
        ],
    }


def _known_hosts(way: Line) -> str:
    keys = [(server.folder / "host_ed25519.pub").read_text(encoding="ascii") for server in way.lab.servers]
    return "".join(
        f"[{address}]:{port} {' '.join(key.split()[:2])}\n"
        for (address, port), key in zip(way.reached, keys, strict=False)
    )


def planned(way: Line) -> tuple[Prepared, Plan]:
    """The whole six-month visit, as `checkup collect` plans it."""
    now = utc_now()
    prepared = prepare(way.site_file, now)
    return prepared, plan_run(prepared, None, Visit.SIX_MONTH, now)
