"""Which kind of encryption a file has, from its first page alone. No password is asked for, tried or read.

An encrypted file is described as far as its header goes; this reader decodes no page.
"""

from __future__ import annotations

from typing import Final, Literal

from checkup.jet.fields import CutError, u16, u32

Encryption = Literal[
    "none", "rc4", "cryptoapi", "office-standard", "office-agile", "extensible", "msisam", "unknown"
]
"""none: pages are plain. rc4: Jet's own encoding, whose key lies in the header: anyone can undo it.
cryptoapi: RC4 of Office 2007. office-standard: AES of Office 2007. office-agile: AES of Office 2010 and
later. extensible: by an add-in. msisam: Microsoft Money. unknown: encrypted in none of these ways."""

# jackcessencrypt OfficeCryptCodecHandler CRYPT_STRUCTURE_OFFSET; the structure itself: [MS-OFFCRYPTO]
# 2.3 "EncryptionInfo Stream".
_INFORMATION: Final = 0x299
_LENGTH_SIZE: Final = 2
_FLAG_CRYPTO_API: Final = 0x04  # [MS-OFFCRYPTO] 2.3.1 EncryptionHeaderFlags
_FLAG_EXTERNAL: Final = 0x10
_FLAG_AES: Final = 0x20

_HEADER_KEY: Final = bytes.fromhex("c7da396b")  # mdbtools, "Database Definition Page"


def header_mask(length: int) -> bytes:
    """The constant with which the header is masked: the key stream of RC4 for a fixed key.

    (mdbtools, "Database Definition Page"; equal to jackcess JetFormat BASE_HEADER_MASK.)
    """
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + _HEADER_KEY[i % len(_HEADER_KEY)]) & 0xFF
        state[i], state[j] = state[j], state[i]
    stream = bytearray()
    j = 0
    for n in range(length):
        i = (n + 1) & 0xFF
        j = (j + state[i]) & 0xFF
        state[i], state[j] = state[j], state[i]
        stream.append(state[(state[i] + state[j]) & 0xFF])
    return bytes(stream)


def encryption_of(first_page: bytes, *, is_ace: bool, is_money: bool, has_key: bool) -> Encryption:
    """The kind, from the encoding key of the header and the structure that ACE keeps in the first page."""
    if is_money:
        return "msisam"
    if not has_key:
        return "none"
    return _office_kind(first_page) if is_ace else "rc4"


def _office_kind(first_page: bytes) -> Encryption:
    """[MS-OFFCRYPTO] 2.3.2 to 2.3.4: the pair of versions, and flags for CryptoAPI, tell the kind."""
    at = _INFORMATION + _LENGTH_SIZE
    try:
        major, minor, flags = u16(first_page, at), u16(first_page, at + 2), u32(first_page, at + 4)
    except CutError:
        return "unknown"
    if (major, minor) == (4, 4):
        return "office-agile"
    if major in (3, 4) and minor == 3:
        return "extensible"
    if major in (2, 3, 4) and minor == 2:
        if flags & _FLAG_EXTERNAL:
            return "extensible"
        if not flags & _FLAG_CRYPTO_API:
            return "unknown"
        return "office-standard" if flags & _FLAG_AES else "cryptoapi"
    if (major, minor) == (1, 1):
        return "cryptoapi"
    return "unknown"
