"""Seeded mutations of sound files: each number is one damaged file, always the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Mutation = Callable[[random.Random, bytearray, int], None]

_NUMBERS = (0, 1, 2, 3, 0x7F, 0xFF, 0x100, 0xFFF, 0x1000, 0x7FFF, 0xFFFF, 0xFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


def mutated(data: bytes, seed: str, page_size: int) -> bytes:
    """One to four mutations, one after the other."""
    chance = random.Random(seed)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if len(changed) > 2 * page_size:
            chance.choice(MUTATIONS)(chance, changed, page_size)
    return bytes(changed)


def bits(chance: random.Random, data: bytearray, page_size: int) -> None:
    for _ in range(chance.choice((1, 2, 8))):
        data[_place(chance, data, page_size, 1)] ^= 1 << chance.randrange(8)


def number(chance: random.Random, data: bytearray, page_size: int) -> None:
    """A field of a page's head, its slots or its first rows becomes a number that borders on something."""
    size = chance.choice((1, 2, 3, 4))
    at = _place(chance, data, page_size, size)
    pages = len(data) // page_size
    value = chance.choice(
        (*_NUMBERS, chance.randrange(pages), chance.randrange(pages) << 8, pages, pages << 8)
    )
    data[at : at + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def own_number(chance: random.Random, data: bytearray, page_size: int) -> None:
    """A page comes to name itself, as a page or as a row of a page."""
    at = _place(chance, data, page_size, 4)
    page = at // page_size
    data[at : at + 4] = chance.choice((page, page << 8, page << 8 | 1)).to_bytes(4, "little")


def other_number(chance: random.Random, data: bytearray, page_size: int) -> None:
    """A field takes the bytes of the same field of another page."""
    at = _place(chance, data, page_size, 4)
    other = chance.randrange(len(data) // page_size) * page_size + at % page_size
    data[at : at + 4] = data[other : other + 4].ljust(4, b"\0")


def noise(chance: random.Random, data: bytearray, page_size: int) -> None:
    at = _place(chance, data, page_size, 1)
    length = min(chance.choice((16, 256, page_size)), len(data) - at)
    data[at : at + length] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))


def copied_page(chance: random.Random, data: bytearray, page_size: int) -> None:
    to, of = _two_pages(chance, data, page_size)
    data[to : to + page_size] = data[of : of + page_size]


def swapped_pages(chance: random.Random, data: bytearray, page_size: int) -> None:
    one, other = _two_pages(chance, data, page_size)
    first = bytes(data[one : one + page_size])
    data[one : one + page_size] = data[other : other + page_size]
    data[other : other + page_size] = first


def cut(chance: random.Random, data: bytearray, page_size: int) -> None:
    del data[chance.randrange(page_size, len(data)) :]


def grown(chance: random.Random, data: bytearray, page_size: int) -> None:
    length = chance.choice((1, page_size - 1, page_size, 7 * page_size))
    data += chance.choice((bytes(length), chance.randbytes(length)))


def _place(chance: random.Random, data: bytearray, page_size: int, size: int) -> int:
    """Mostly near the start of a page, where its structure is; rarely within the first page."""
    page = (
        chance.randrange(len(data) // page_size)
        if chance.random() < 0.05
        else chance.randrange(1, len(data) // page_size)
    )
    within = chance.choice((16, 64, 256, page_size))
    return page * page_size + chance.randrange(min(within, page_size - size))


def _two_pages(chance: random.Random, data: bytearray, page_size: int) -> tuple[int, int]:
    count = len(data) // page_size
    return chance.randrange(1, count) * page_size, chance.randrange(1, count) * page_size


MUTATIONS: Sequence[Mutation] = (
    bits,
    number,
    number,
    own_number,
    other_number,
    noise,
    copied_page,
    swapped_pages,
    cut,
    grown,
)
