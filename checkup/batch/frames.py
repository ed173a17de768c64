"""The frames in which a batch answers: read from a machine's output, or written to make a bundle.

    #CHECKUP <token> <kind> target=… section=… version=… status=… ms=… encoding=… bytes=… cksum=… reason=…
    <that many bytes>

The header is one line of printable ASCII; `reason` is the rest of it. `encoding` is `text` (printable
ASCII, tabs and line feeds), `b64` or `hex`; `bytes` and `cksum` (that of POSIX, `sha1:` and the SHA-1
on Windows, or `-` where the connection checks for itself) are those of the encoded payload. A line
feed closes it. `ms=-1` means unknown; `target=-` and `section=-` mean none. HELLO comes first, END
last; the payload of END counts the frames before it and may tell the time.

No frame ever holds a carriage return, so they are dropped at the door: a terminal or an editor that
made CRLF of every line end does no harm. Everything that is not a frame is noise.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Literal

from checkup.api import Quality
from checkup.clean import clean_line

Kind = Literal["HELLO", "SECTION", "END"]

MOST_HEADER_BYTES = 4096
MOST_PAYLOAD_BYTES = 8 * 1024**2
MOST_STREAM_BYTES = 64 * 1024**2
MOST_DAMAGED_FRAMES = 100  # each is searched for the next header, and may announce 8 MB
KEPT_NOISE_BYTES = 4096
MOST_REASON_CHARACTERS = 300

_MARK = b"#CHECKUP "
_HEADER = re.compile(
    rb"#CHECKUP (?P<token>[0-9a-f]{12}) (?P<kind>HELLO|SECTION|END)"
    rb" target=(?P<target>[!-~]{1,80}) section=(?P<section>[!-~]{1,80}) version=(?P<version>[0-9]{1,6})"
    rb" status=(?P<status>[a-z_]{1,20}) ms=(?P<ms>-1|[0-9]{1,12}) encoding=(?P<encoding>text|b64|hex)"
    rb" bytes=(?P<bytes>[0-9]{1,12}) cksum=(?P<cksum>-|[0-9]{1,10}|sha1:[0-9a-f]{40})"
    rb" reason=(?P<reason>[ -~]*)"
)
_NOT_TEXT = re.compile(rb"[^ -~\t\n]")
_LINE = 76  # characters of base64 in a line, as the batch on Windows prints it
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One frame, decoded. `status` is what the machine said, or bad output where the frame is damaged."""

    kind: Kind
    target: str = ""
    section: str = ""
    version: int = 0
    status: Quality = Quality.OK
    milliseconds: int | None = None
    reason: str = ""
    payload: bytes = b""


class FrameReader:
    """Takes a machine's output as it comes and gives its frames, in time linear in its length.

    `token` is that of the batch; None takes the token of the first HELLO (a bundle of an unknown
    batch). `ended` is true once END has come and counted as many frames as were read. After END, and
    beyond 64 MB or a hundred damaged frames (`overrun`), everything is noise.
    """

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.ended = False
        self.overrun = False
        self.noise_bytes = 0
        self._kept_noise = bytearray()
        self._buffer = bytearray()
        self._header: re.Match[bytes] | None = None
        self._received = 0
        self._frames = 0
        self._damaged = 0
        self._closed = False

    @property
    def noise(self) -> bytes:
        """The first 4 kB of what came between the frames, as it came: for nobody's eyes uncleaned."""
        waiting = self._buffer if self._header is None else b""  # it may still become a frame
        return bytes(self._kept_noise + waiting)[:KEPT_NOISE_BYTES]

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, in order."""
        taken = data[: MOST_STREAM_BYTES - self._received]
        self._received += len(taken)
        self._buffer += taken.replace(b"\r", b"")
        frames: list[Frame] = []
        while not self._closed and (frame := self._next()):
            frames.append(frame)
        if len(taken) < len(data):
            self.overrun = self._closed = True
            self.noise_bytes += len(data) - len(taken)
        if self._closed:
            self._make_noise(len(self._buffer))
        return frames

    def _next(self) -> Frame | None:
        if self._header is None and not self._find_header():
            return None
        return self._take_frame()

    def _find_header(self) -> bool:
        """Moves to the next header; what comes before it is noise."""
        mark = _MARK if self.token is None else _MARK + self.token.encode("ascii", "replace") + b" "
        while True:
            start = self._buffer.find(mark)
            if start < 0:
                # The end of what is here may be the beginning of a mark.
                self._make_noise(max(0, len(self._buffer) - len(mark) + 1))
                return False
            self._make_noise(start)
            end = self._buffer.find(b"\n", 0, MOST_HEADER_BYTES)
            if end < 0 and len(self._buffer) < MOST_HEADER_BYTES:
                return False
            if end >= 0:
                header = _HEADER.fullmatch(bytes(self._buffer[:end]))
                if header and (self.token is not None or header["kind"] == b"HELLO"):
                    self.token = header["token"].decode("ascii")
                    del self._buffer[: len(header[0]) + 1]
                    self._header = header
                    return True
            # A header that broke off may be followed by a whole one in the same line.
            self._make_noise(len(mark))

    def _take_frame(self) -> Frame | None:
        """The frame of the header just read; None while its payload is not all here."""
        header = self._header
        assert header is not None
        size = int(header["bytes"])
        if size > MOST_PAYLOAD_BYTES:
            self._header = None
            return self._count(_damaged(header, f"it announced {size} bytes, too many to be taken"))
        if len(self._buffer) <= size:
            return None
        self._header = None
        encoded = bytes(self._buffer[:size])
        whole = self._buffer[size] == ord("\n") and _checks(header["cksum"], encoded)
        if whole:
            del self._buffer[: size + 1]
            return self._count(_decoded(header, encoded))
        # Bytes were lost or added on the way, and a later header may stand within what was announced.
        # Only in a damaged frame is it looked for, else a machine's text could pose as a frame.
        self._damaged += 1
        self.overrun = self._closed = self._damaged > MOST_DAMAGED_FRAMES
        return self._count(_damaged(header, "it was damaged on the way: its checksum is wrong"))

    def _count(self, frame: Frame) -> Frame:
        if frame.kind == "END":
            self._closed = True
            expected = f"frames={self._frames}".encode()
            self.ended = frame.status is Quality.OK and frame.payload.split(b"\n")[0].strip() == expected
        self._frames += 1
        return frame

    def _make_noise(self, size: int) -> None:
        self.noise_bytes += size
        self._kept_noise += self._buffer[: min(size, KEPT_NOISE_BYTES - len(self._kept_noise))]
        del self._buffer[:size]


def _checks(checksum: bytes, encoded: bytes) -> bool:
    if checksum.startswith(b"sha1:"):
        # Against damage on the way, not against a forger: SHA-1 is what every Windows has.
        return checksum[5:] == sha1(encoded, usedforsecurity=False).hexdigest().encode()
    return checksum in (b"-", b"%d" % posix_cksum(encoded))


def _decoded(header: re.Match[bytes], encoded: bytes) -> Frame:
    try:
        payload = _decode(header["encoding"], encoded)
        status = Quality(header["status"].decode("ascii"))
    except ValueError:
        return _damaged(header, "it cannot be decoded")
    reason = header["reason"].decode("ascii")
    if header["cksum"] == b"-":
        reason = f"{reason} (without a checksum)".strip()
    return _frame(header, status, reason, payload)


def _damaged(header: re.Match[bytes], why: str) -> Frame:
    said = header["reason"].decode("ascii")
    reason = f"the frame is not used: {why}" + (f" ({said})" if said else "")
    return _frame(header, Quality.BAD_OUTPUT, reason, b"")


def _frame(header: re.Match[bytes], status: Quality, reason: str, payload: bytes) -> Frame:
    def word(name: str) -> str:
        text = header[name].decode("ascii")
        return "" if text == "-" else text

    kinds: dict[bytes, Kind] = {b"HELLO": "HELLO", b"SECTION": "SECTION", b"END": "END"}
    milliseconds = int(header["ms"])
    return Frame(
        kind=kinds[header["kind"]],
        target=word("target"),
        section=word("section"),
        version=int(header["version"]),
        status=status,
        milliseconds=None if milliseconds < 0 else milliseconds,
        reason=clean_line(reason, MOST_REASON_CHARACTERS),
        payload=payload,
    )


def _decode(encoding: bytes, encoded: bytes) -> bytes:
    if encoding == b"b64":
        return base64.b64decode(encoded.translate(None, b" \n"), validate=True)
    if encoding == b"hex":
        return bytes.fromhex(encoded.decode("ascii"))
    if _NOT_TEXT.search(encoded):
        raise ValueError("not text")
    return encoded


def posix_cksum(content: bytes) -> int:
    """The number that the POSIX command `cksum` prints.

    It is the CRC-32 of zlib on mirrored bits, started at zero, with the length appended.
    """
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "little")
    crc = zlib.crc32(
        length.translate(_REVERSED_BITS), zlib.crc32(content.translate(_REVERSED_BITS), 0xFFFFFFFF)
    )
    return int(f"{crc ^ 0xFFFFFFFF:032b}"[::-1], 2) ^ 0xFFFFFFFF


def encode_frame(frame: Frame, token: str, *, windows: bool = False) -> bytes:
    """A frame as a machine would print it. Raises ValueError for what a header cannot hold."""
    encoding, encoded = "text", frame.payload
    if windows or _NOT_TEXT.search(encoded):
        encoding, encoded = "b64", base64.b64encode(encoded)
    if windows:
        encoded = b"\n".join(encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE))
        checksum = f"sha1:{sha1(encoded, usedforsecurity=False).hexdigest()}"
    else:
        checksum = str(posix_cksum(encoded))
    reason = clean_line(frame.reason, MOST_REASON_CHARACTERS).encode("ascii", "replace").decode("ascii")
    milliseconds = -1 if frame.milliseconds is None else frame.milliseconds
    header = (
        f"#CHECKUP {token} {frame.kind} target={frame.target or '-'} section={frame.section or '-'}"
        f" version={frame.version} status={frame.status} ms={milliseconds} encoding={encoding}"
        f" bytes={len(encoded)} cksum={checksum} reason={reason}"
    ).encode("ascii", "replace")
    if not _HEADER.fullmatch(header):
        raise ValueError(f"no frame can carry this header: {header.decode('ascii')}")
    return header + b"\n" + encoded + b"\n"


def encode_stream(hello: Mapping[str, str], sections: Iterable[Frame], *, windows: bool = False) -> bytes:
    """A whole answer, HELLO to END: what a bundle's file holds. Its token is made from its content."""
    frames = [Frame(kind="HELLO", payload=_lines(hello)), *sections]
    token = sha256(b"".join(encode_frame(frame, "0" * 12) for frame in frames)).hexdigest()[:12]
    end = Frame(kind="END", payload=_lines({"frames": str(len(frames))}))
    return b"".join(encode_frame(frame, token, windows=windows) for frame in (*frames, end))


def _lines(pairs: Mapping[str, str]) -> bytes:
    return "".join(f"{key}={value}\n" for key, value in pairs.items()).encode("utf-8")
