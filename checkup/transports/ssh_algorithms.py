"""What an SSH server offers, and whether what it lacks is its age or only a difference of taste."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["key exchange", "host key", "cipher", "MAC"]

# Names in the list of key exchanges that announce an extension instead.
_EXTENSIONS = ("ext-info-", "kex-strict-", "kexguess2@")

_OBSOLETE: Mapping[Kind, tuple[str, ...]] = {
    "key exchange": (
        "diffie-hellman-group1-sha1",
        "diffie-hellman-group14-sha1",
        "diffie-hellman-group-exchange-sha1",
        "rsa1024-sha1",
        "gss-gex-sha1-",
        "gss-group1-sha1-",
        "gss-group14-sha1-",
    ),
    "host key": ("ssh-rsa", "ssh-dss"),
    "cipher": ("3des", "arcfour", "blowfish", "cast128", "des", "idea", "rijndael", "none"),
    "MAC": ("hmac-md5", "hmac-sha1", "hmac-ripemd160", "umac-64", "none"),
}


@dataclass(frozen=True)
class Algorithms:
    """The lists of algorithms in a server's first message, without mere extensions."""

    by_kind: Mapping[Kind, tuple[str, ...]]

    @classmethod
    def of(cls, *lists: Iterable[str]) -> Algorithms:
        """From the lists in the order of `Kind`."""
        kinds: tuple[Kind, ...] = ("key exchange", "host key", "cipher", "MAC")
        pairs = zip(kinds, lists, strict=True)
        return cls(
            {kind: tuple(n for n in names if n and not n.startswith(_EXTENSIONS)) for kind, names in pairs}
        )


@dataclass(frozen=True)
class Mismatch:
    """The first kind of algorithm that both sides have none of in common."""

    kind: Kind
    offered: tuple[str, ...]

    @property
    def obsolete(self) -> bool:
        """Everything offered is too weak to be used, so it is the server that has to change."""
        return bool(self.offered) and all(name.startswith(_OBSOLETE[self.kind]) for name in self.offered)


def mismatch(offered: Algorithms, ours: Mapping[Kind, Sequence[str]]) -> Mismatch | None:
    for kind, names in offered.by_kind.items():
        if not set(names) & set(ours[kind]):
            return Mismatch(kind, names)
    return None


def agreed(offered: Algorithms, ours: Mapping[Kind, Sequence[str]]) -> str:
    """What both sides use, as one line: the first of ours that the server offers, kind by kind."""
    found = (
        next((name for name in ours[kind] if name in names), "") for kind, names in offered.by_kind.items()
    )
    return ", ".join(name for name in found if name)
