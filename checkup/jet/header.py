"""The first page: what kind of file this is, of which version, encrypted how, and the commit words.

Source: mdbtools, "Database Definition Page"; jackcess JetFormat and DatabaseImpl.
"""

from __future__ import annotations

import codecs
import math
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple

from checkup.jet.encryption import Encryption, encryption_of, header_mask
from checkup.jet.fields import f64, u16
from checkup.jet.formats import JET3, VERSIONS, Format, Version

Engine = Literal["Jet", "ACE", "MSISAM"]

Password = Literal["none", "set", "protects-nothing", "unknown"]
"""set: pages cannot be read without it. protects-nothing: one is asked for by Access, yet every page can be
read without it (they are plain, or their key lies in the header). unknown: the kind of encryption does not
tell."""

NotAccessReason = Literal["empty", "zeros", "text", "other", "truncated", "version"]
"""empty: no byte. zeros: nothing but zeros. text: words in place of a data file. other: some other kind of
file. truncated: it starts like one and ends within the first page. version: one that is not known."""

_START: Final = b"\x00\x01\x00\x00"
_NAME: Final = 0x04  # jackcess JetFormat OFFSET_ENGINE_NAME
_VERSION: Final = 0x14
_MASKED: Final = 0x18
_CODE_PAGE: Final = 0x3C
_KEY: Final = 0x3E
_PASSWORD: Final = 0x42
_COMMIT_WORDS: Final = 256
_ENGINES: Final[dict[bytes, Engine]] = {
    b"Standard Jet DB\0": "Jet",
    b"Standard ACE DB\0": "ACE",
    b"MSISAM Database\0": "MSISAM",
}
_DAY_ZERO: Final = datetime(1899, 12, 30)  # noqa: DTZ001 the file knows no time zone
_MOST_DAYS: Final = 200_000  # the year 2447


class NotAccessError(Exception):
    """The file is no Access file that can be read; `reason` is for decisions, the text for people."""

    def __init__(self, reason: NotAccessReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: NotAccessReason = reason
        self.detail = detail


class EncryptedError(Exception):
    """Pages after the first cannot be read: they are encrypted."""

    def __init__(self, encryption: Encryption) -> None:
        super().__init__(f"the pages are encrypted ({encryption})")
        self.encryption: Encryption = encryption


class Header(NamedTuple):
    """What the first page says.

    `collation` is a Windows locale id, `collation_version` 0 for the sort order up to Access 2007 and 1 for
    that of Access 2010; `created` is the local time of the machine that made the file, None in Jet 3 and
    where it cannot be a date. `commit_words` has one word per lock slot, `neutral` where nobody used it.
    """

    engine: Engine
    version: Version
    collation: int
    collation_version: int
    code_page: int
    created: datetime | None
    encryption: Encryption
    password: Password
    commit_words: tuple[int, ...]

    @property
    def layout(self) -> Format:
        return self.version.layout

    @property
    def page_size(self) -> int:
        return self.layout.page_size

    @property
    def readable(self) -> bool:
        """Whether the pages after the first are plain."""
        return self.encryption == "none"

    @property
    def text_encoding(self) -> str:
        """The codec of names and texts in Jet 3; later versions write UTF-16."""
        try:
            return codecs.lookup(f"cp{self.code_page}").name
        except LookupError:
            return "cp1252"

    @property
    def uneasy_slots(self) -> tuple[int, ...]:
        """Slots whose commit word is below the neutral one: a write not finished, or a damage met.

        (Microsoft says so of Jet 3; none is there in any sound file of the corpora, of any version.)
        """
        neutral = self.layout.neutral_commit_word
        return tuple(slot for slot, word in enumerate(self.commit_words) if word < neutral)


def read_header(first_page: bytes) -> Header:
    """The header from the first bytes of a file, at least a page of them. Raises NotAccessError."""
    engine = _engine(first_page)
    version = VERSIONS.get(first_page[_VERSION])
    if version is None:
        raise NotAccessError("version", f"version {first_page[_VERSION]} of the file format is not known")
    layout = version.layout
    if len(first_page) < layout.page_size:
        raise NotAccessError(
            "truncated", f"the file ends after {len(first_page)} of the first {layout.page_size} bytes"
        )
    plain = _unmasked(first_page[: layout.page_size], layout)
    has_key = any(plain[_KEY:_PASSWORD])
    encryption = encryption_of(
        plain,
        is_ace=engine == "ACE",
        is_money=engine == "MSISAM",
        has_key=has_key,
    )
    created_days = f64(plain, layout.created) if layout.created is not None else None
    return Header(
        engine=engine,
        version=version,
        collation=u16(plain, layout.collation),
        collation_version=plain[layout.collation + 3] if layout is not JET3 else 0,
        code_page=u16(plain, _CODE_PAGE),
        created=_date(created_days),
        encryption=encryption,
        password=_password(plain, layout, created_days, encryption),
        commit_words=tuple(u16(plain, layout.commit_words + 2 * slot) for slot in range(_COMMIT_WORDS)),
    )


def _engine(first_page: bytes) -> Engine:
    if not first_page:
        raise NotAccessError("empty", "the file is empty")
    if not any(first_page):
        raise NotAccessError("zeros", "the file starts with nothing but zeros")
    name_end = _NAME + 16
    if first_page[:_NAME] == _START and len(first_page) > _VERSION:
        engine = _ENGINES.get(first_page[_NAME:name_end])
        if engine is not None:
            return engine
    if len(first_page) <= _VERSION and _could_start(first_page):
        raise NotAccessError("truncated", f"the file ends after {len(first_page)} bytes")
    if _is_text(first_page[:512]):
        raise NotAccessError("text", "the file holds text, not a data file of Access")
    raise NotAccessError("other", "the file does not start as a data file of Access does")


def _could_start(first_bytes: bytes) -> bool:
    return any((_START + name).startswith(first_bytes) for name in _ENGINES)


def _is_text(start: bytes) -> bool:
    """Plain words in ASCII or UTF-8, or UTF-16 with its mark."""
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    try:
        # What was cut within a character at the end is text nevertheless.
        text = start.decode("utf-8", "ignore" if len(start) == 512 else "strict")
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)


def _unmasked(page: bytes, layout: Format) -> bytes:
    end = _MASKED + layout.mask_length
    masked = int.from_bytes(page[_MASKED:end], "little")
    mask = int.from_bytes(header_mask(layout.mask_length), "little")
    return page[:_MASKED] + (masked ^ mask).to_bytes(layout.mask_length, "little") + page[end:]


def _date(days: float | None) -> datetime | None:
    """An OLE date; 0 and what is out of reason is none."""
    if days is None or not math.isfinite(days) or not 0 < days < _MOST_DAYS:
        return None
    return _DAY_ZERO + timedelta(days=days)


def _password(plain: bytes, layout: Format, created_days: float | None, encryption: Encryption) -> Password:
    """Whether a password is set: the field differs from what it is without one; it is not decoded.

    Without a password the field holds zeros, in Jet 4 masked again with the day of creation as a 32-bit
    number (mdbtools, "Database Definition Page"; jackcess DatabaseImpl getPasswordMask).
    """
    if encryption in ("cryptoapi", "office-standard", "office-agile"):
        return "set"
    if encryption not in ("none", "rc4"):
        return "unknown"
    field = plain[_PASSWORD : _PASSWORD + layout.password_length]
    empty = bytes(len(field))
    if created_days is not None:
        day = int(created_days) if math.isfinite(created_days) and abs(created_days) < 1 << 31 else 0
        empty = day.to_bytes(4, "little", signed=True) * (len(field) // 4)
    return "none" if field == empty else "protects-nothing"
