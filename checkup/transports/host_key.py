"""Is this the machine it should be? The verdict on the key that an SSH server shows."""

from __future__ import annotations

from collections.abc import Sequence

from checkup.api import ErrorClass
from checkup.transports.known_hosts import KnownKey, fingerprint
from checkup.transports.session import TransportError
from checkup.transports.ssh import Connect

# One RSA key signs with either hash.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


def preferred(algorithms: Sequence[str], known: Sequence[KnownKey]) -> tuple[str, ...]:
    """`algorithms` with those first for which a key is known, so that the server shows that one."""
    first = {name for key in known for name in _ALGORITHMS.get(key.kind, (key.kind,))}
    return tuple(sorted(algorithms, key=lambda name: name not in first))


def verify(connect: Connect, where: str, kind: str, blob: bytes, known: Sequence[KnownKey]) -> str:
    """How the shown key was checked: "pinned", "known_hosts" or "ignored".

    Raises TransportError(HOST_KEY) with the fingerprint seen and what to do about it.
    """
    shown = fingerprint(blob)
    if any(key.revoked and key.blob == blob for key in known):
        raise _refused(
            f"{where} shows the host key {shown}, which known_hosts marks as revoked; do not connect"
        )
    if connect.host_key:
        if shown == connect.host_key:
            return "pinned"
        raise _refused(
            f"{where} shows the {kind} host key {shown}, not the pinned {connect.host_key}; ask the client's "
            "IS staff whether the machine was set up anew or another key of it was pinned, and only then "
            f'write host_key: "{shown}"'
        )
    if connect.host_key_check == "ignore":
        return "ignored"
    trusted = [key for key in known if not key.revoked]
    if any(key.blob == blob for key in trusted):
        return "known_hosts"
    if trusted:
        expected = ", ".join(f"{key.kind} {fingerprint(key.blob)}" for key in trusted)
        raise _refused(
            f"{where} shows the {kind} host key {shown}, but known_hosts has {expected}: another machine, or "
            "one set up anew; ask the client's IS staff, and only if they confirm the new key write "
            f'host_key: "{shown}"'
        )
    raise _refused(
        f"{where} shows the {kind} host key {shown}, which nobody vouched for yet; compare it with the "
        "output of `ssh-keygen -lf` on the machine, then pin it under its connect: in the site file, "
        f'host_key: "{shown}"'
    )


def _refused(detail: str) -> TransportError:
    return TransportError(ErrorClass.HOST_KEY, detail)
