"""What a file holds that was brought back: the answers of one machine or of several, and what became of
the others.

A batch that was run by hand leaves one stream of frames (`checkup.batch.frames`). A round that was made
from a server leaves one file for many machines: the streams one after the other, a first line
`#CHECKUP-BUNDLE machines=N`, and for each machine that could not be examined, or not to the end,

    #CHECKUP-UNREACHED <endpoint> <error class> <words>

Editors, mail programs and the shell's `>` harm such files in known ways: UTF-16 in place of ASCII, a byte
order mark, CRLF. That is undone here; everything else shows in the check sums, and is not mended.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha1, sha256

from checkup.api import ErrorClass
from checkup.batch.frames import MOST_PAYLOAD_BYTES, FrameReader, posix_cksum
from checkup.batch.hello import read_hello
from checkup.clean import clean_line

MOST_DAMAGED_FRAMES = 100  # behind each of them the next header is looked for
MOST_MACHINES = 1000
MOST_WORDS = 300

_MARK = b"#CHECKUP "
_HEADER = re.compile(
    rb"#CHECKUP (?P<token>[0-9a-f]{12}) (?P<kind>HELLO|SECTION|END) target=(?P<target>[!-~]{1,80})"
    rb" section=(?P<section>[!-~]{1,80}) [^\n]{1,200}? bytes=(?P<bytes>[0-9]{1,12})"
    rb" cksum=(?P<cksum>-|[0-9]{1,10}|sha1:[0-9a-f]{40}) reason=[^\n]*\n"
)
_UNREACHED = re.compile(
    rb"^#CHECKUP-UNREACHED (?P<endpoint>[a-z0-9-]{1,63}) (?P<error>[a-z_]{1,20}) ?(?P<words>[^\n]*)$",
    re.MULTILINE,
)
_MACHINES = re.compile(rb"^#CHECKUP-BUNDLE machines=([0-9]{1,4})$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One machine's answer, HELLO to END or as far as it goes.

    `damaged` names the sections whose frames do not pass their check sums ("HELLO" and "END" for those
    frames), `broken_in` the one in the middle of which the answer stops; `unchecked` is true where a frame
    carries no check sum. `ended`: END came and counted right.
    """

    data: bytes
    hello: Mapping[str, str]
    sections: tuple[str, ...]
    damaged: tuple[str, ...]
    broken_in: str
    unchecked: bool
    ended: bool

    @property
    def endpoint(self) -> str:
        return self.hello.get("endpoint", "")


@dataclass(frozen=True, kw_only=True)
class Unreached:
    """A machine that whoever made the round could not examine, or not to the end."""

    endpoint: str
    error: ErrorClass
    words: str


@dataclass(frozen=True, kw_only=True)
class Content:
    """`machines` is how many the file announces, None where it announces nothing (a batch run alone)."""

    streams: tuple[Stream, ...]
    unreached: tuple[Unreached, ...]
    machines: int | None
    cut_short: bool = False  # more damage than is looked through

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Every machine that the file tells of, in its order, each once."""
        named = [stream.endpoint for stream in self.streams] + [one.endpoint for one in self.unreached]
        return tuple(dict.fromkeys(filter(None, named)))

    @property
    def complete(self) -> bool:
        """Nothing more is to come: each machine's answer has ended, or is said not to come."""
        told = {one.endpoint for one in self.unreached}
        ended = all(stream.ended or stream.endpoint in told for stream in self.streams)
        return bool(self.endpoints) and ended and self.machines in (None, len(self.endpoints))

    def stream_of(self, endpoint: str) -> Stream | None:
        """The machine's answer; of several the last that is whole, else the last."""
        own = [stream for stream in self.streams if stream.endpoint == endpoint]
        whole = [stream for stream in own if stream.ended and not stream.damaged]
        return (whole or own or [None])[-1]

    def unreached_of(self, endpoint: str) -> Unreached | None:
        return next((one for one in reversed(self.unreached) if one.endpoint == endpoint), None)


def digest(data: bytes) -> str:
    """What a file is known by: the SHA-256 of its bytes as they lie there."""
    return sha256(data).hexdigest()


def plain(data: bytes) -> bytes:
    """The bytes as the machine printed them: without UTF-16, byte order mark and carriage returns."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark) or _without_a_mark(data, encoding):
            return _from_utf_16(data.removeprefix(mark), encoding)
    return data.removeprefix(codecs.BOM_UTF8).replace(b"\r", b"")


def _without_a_mark(data: bytes, encoding: str) -> bool:
    if _MARK in data:
        return False
    # The bytes of one order are those of the other, one place further.
    place = data.find(_MARK.decode("ascii").encode(encoding))
    return place >= 0 and place % 2 == 0


def _from_utf_16(data: bytes, encoding: str) -> bytes:
    text = data.decode(encoding, "replace")
    # Frames are ASCII; what is not lies between them, and is noise.
    return text.replace("\r", "").encode("ascii", "replace")


def read_content(data: bytes) -> Content:
    """What the file holds. Never raises: a file that holds nothing of ours has no endpoints."""
    data = plain(data)
    walk = _Walk(data)
    streams = tuple(_stream(part) for part in walk.parts())
    announced = _MACHINES.search(walk.between)
    return Content(
        streams=streams,
        unreached=tuple(_unreached(walk.between)),
        machines=int(announced[1]) if announced else None,
        cut_short=walk.cut_short,
    )


def _unreached(between: bytes) -> Iterator[Unreached]:
    for found in list(_UNREACHED.finditer(between))[:MOST_MACHINES]:
        word = found["error"].decode("ascii")
        known = word in list(ErrorClass)
        yield Unreached(
            endpoint=found["endpoint"].decode("ascii"),
            error=ErrorClass(word) if known else ErrorClass.UNREACHABLE,
            words=clean_line(found["words"].decode("utf-8", "replace"), MOST_WORDS),
        )


@dataclass
class _Part:
    """The bytes of one stream, and what its frames are worth."""

    token: bytes
    start: int
    end: int = 0
    sections: list[str] = field(default_factory=list[str])
    damaged: list[str] = field(default_factory=list[str])
    unchecked: bool = False
    announced: int = 0  # where the last frame should have ended, if it did not
    broken_in: str = ""
    data: bytes = b""


class _Walk:
    """Goes from frame to frame. A payload is stepped over as a whole, so that a machine's own text in it
    cannot pose as a header; only behind a damaged frame is every line looked at."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._damaged = 0
        self._outside: list[bytes] = []
        self.cut_short = False

    @property
    def between(self) -> bytes:
        """What stands between the frames."""
        return b"\n".join(self._outside)

    def parts(self) -> list[_Part]:
        found: list[_Part] = []
        part: _Part | None = None
        position = 0
        while (header := self._next_header(position, part)) is not None:
            if header["kind"] == b"HELLO" and (part is None or header["token"] != part.token):
                found += self._closed(part, header.start())
                part = _Part(token=header["token"], start=header.start())
            assert part is not None
            position = self._step(header, part)
            if header["kind"] == b"END":
                found += self._closed(part, position)
                part = None
            if self.cut_short or len(found) >= MOST_MACHINES:
                self.cut_short = True
                break
        found += self._closed(part, len(self._data))
        return found

    def _next_header(self, position: int, part: _Part | None) -> re.Match[bytes] | None:
        """The next header of this stream, or the HELLO of the next one."""
        begin = position
        while True:
            start = self._data.find(_MARK, position)
            if start < 0:
                self._outside.append(self._data[begin:])
                return None
            header = _HEADER.match(self._data, start)
            if header and (header["kind"] == b"HELLO" or (part and header["token"] == part.token)):
                self._outside.append(self._data[begin:start])
                return header
            position = start + len(_MARK)

    def _step(self, header: re.Match[bytes], part: _Part) -> int:
        """Judge a frame; gives the place behind it."""
        name = header["section"].decode("ascii")
        if header["kind"] == b"SECTION":
            part.sections.append(name)
        else:
            name = header["kind"].decode("ascii")
        part.unchecked = part.unchecked or header["cksum"] == b"-"
        size = int(header["bytes"])
        end = header.end() + size
        whole = size <= MOST_PAYLOAD_BYTES and self._data[end : end + 1] == b"\n"
        if whole and _passes(header["cksum"], self._data[header.end() : end]):
            part.announced = 0
            return end + 1
        part.damaged.append(name)
        part.announced = end
        self._damaged += 1
        self.cut_short = self._damaged >= MOST_DAMAGED_FRAMES
        return header.end()

    def _closed(self, part: _Part | None, end: int) -> list[_Part]:
        if part is None:
            return []
        part.end = end
        part.data = self._data[part.start : end]
        if part.announced >= end:
            part.broken_in = part.damaged.pop()
        return [part]


def _passes(checksum: bytes, payload: bytes) -> bool:
    if checksum.startswith(b"sha1:"):
        return checksum[5:] == sha1(payload, usedforsecurity=False).hexdigest().encode()
    return checksum in (b"-", b"%d" % posix_cksum(payload))


def _stream(part: _Part) -> Stream:
    reader = FrameReader(part.token.decode("ascii"))
    frames = reader.feed(part.data)
    hello = next((frame for frame in frames if frame.kind == "HELLO"), None)
    return Stream(
        data=part.data,
        hello=read_hello(hello.payload) if hello else {},
        sections=tuple(part.sections),
        damaged=tuple(part.damaged),
        broken_in=part.broken_in,
        unchecked=part.unchecked,
        ended=reader.ended,
    )
