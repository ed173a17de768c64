"""Where things lie in a page, for the two page layouts there are.

Jet 3 (Access 97) has pages of 2048 bytes; Jet 4 (Access 2000 to 2003) and every ACE have pages of 4096
bytes in one layout. What the later versions of ACE added are values, not places: complex columns
(ACE 12, definition offset 28 and column type 0x12), calculated columns (ACE 14, extended column flags),
big integers (ACE 16, column type 0x13), extended dates (ACE 17, column type 0x14).

Sources: mdbtools, sections "Data Pages", "TDEF Pages", "Indices"; jackcess `JetFormat`; every offset was
verified on the corpora.
"""

from __future__ import annotations

from typing import Final, NamedTuple

HEADER_PAGE: Final = 0
GLOBAL_MAP_PAGE: Final = 1  # row 0 there: the pages that are free (mdbtools, "Page Usage Maps")
CATALOGUE_PAGE: Final = 2  # the definition of MSysObjects (jackcess DatabaseImpl PAGE_SYSTEM_CATALOG)

# Byte 0 of a page (mdbtools "Pages", jackcess PageTypes). 0 is also a page that was never written.
# 8 and 9 were seen on released pages only (observed).
KIND_HEADER: Final = 0
KIND_DATA: Final = 1
KIND_DEFINITION: Final = 2
KIND_INDEX_NODE: Final = 3
KIND_INDEX_LEAF: Final = 4
KIND_MAP: Final = 5
WRITTEN: Final = 1  # byte 1 of every written page (observed)

LONG_VALUE_OWNER: Final = b"LVAL"  # in place of the owner of a data page (mdbtools "LVAL Pages")

# Slots of a data page (mdbtools "Data Pages"; jackcess TableImpl; which combination means what: observed).
SLOT_OFFSET_MASK: Final = 0x1FFF
SLOT_POINTER: Final = 0x4000  # the row lies elsewhere; four bytes here say where
SLOT_TARGET: Final = 0x8000  # alone: the body of such a row; with SLOT_POINTER: deleted
SLOT_FLAGS: Final = 0xC000
SLOT_DELETED: Final = 0xC000

MAP_INLINE: Final = 0  # byte 0 of a usage map's row
MAP_REFERENCE: Final = 1
MAP_BITS_OFFSET: Final = 4  # of a usage map's own page: kind, 1, two bytes unused

INDEX_MOST_COLUMNS: Final = 10
MOST_COLUMNS: Final = 255  # of a table (Microsoft)
MOST_USERS: Final = 255  # (Microsoft)


class Format(NamedTuple):
    """Offsets in bytes from the start of the page, or of the joined definition."""

    name: str
    page_size: int
    most_bytes: int  # of a file (jackcess JetFormat MAX_DATABASE_SIZE)

    # Header page
    mask_length: int  # bytes masked from 0x18 on
    collation: int
    password_length: int  # bytes from 0x42 on
    created: int | None  # f64, days since 1899-12-30
    commit_words: int  # 256 of two bytes (Microsoft for Jet 3; Jet 4 observed)
    neutral_commit_word: int  # of a slot that nobody used (observed)

    # Data page
    row_count: int
    slots: int

    # Row
    count_size: int  # bytes of a column count or offset in a row

    # Definition page: the pages that follow the first contribute from `definition_continues` on
    definition_continues: int
    definition_length: int
    definition_rows: int
    definition_autonumber: int
    definition_complex_autonumber: int | None
    definition_kind: int
    definition_most_columns: int
    definition_variable_columns: int
    definition_columns: int
    definition_indexes: int
    definition_index_data: int
    definition_owned_map: int
    definition_free_map: int
    definition_end: int

    # Column, of `column_size` bytes
    column_size: int
    column_number: int
    column_variable_index: int
    column_extra: int  # precision and scale, or collation, or the complex id
    column_flags: int
    column_extended_flags: int | None
    column_fixed_offset: int
    column_length: int

    name_length_size: int  # bytes of the length in front of a name

    # Data of an index
    index_count_size: int  # first table of index data, with the number of entries at +4
    index_data_size: int
    index_data_columns: int
    index_data_map: int
    index_data_root: int
    index_data_flags: int

    # Index (what people call one; several may share the data)
    index_size: int
    index_number: int

    # Index page
    index_previous: int
    index_next: int
    index_tail: int
    index_prefix: int
    index_bits: int
    index_bits_length: int

    @property
    def index_entries(self) -> int:
        """Where the entries of an index page start."""
        return self.index_bits + self.index_bits_length

    @property
    def map_page_covers(self) -> int:
        """Pages that one bitmap page tells of."""
        return (self.page_size - MAP_BITS_OFFSET) * 8

    @property
    def most_pages(self) -> int:
        return self.most_bytes // self.page_size


JET3: Final = Format(
    name="Jet 3",
    page_size=2048,
    most_bytes=1 << 30,
    mask_length=126,
    collation=0x3A,
    password_length=20,
    created=None,
    commit_words=0x600,
    neutral_commit_word=0x100,
    row_count=8,
    slots=10,
    count_size=1,
    definition_continues=8,
    definition_length=8,
    definition_rows=12,
    definition_autonumber=16,
    definition_complex_autonumber=None,
    definition_kind=20,
    definition_most_columns=21,
    definition_variable_columns=23,
    definition_columns=25,
    definition_indexes=27,
    definition_index_data=31,
    definition_owned_map=35,
    definition_free_map=39,
    definition_end=43,
    column_size=18,
    column_number=1,
    column_variable_index=3,
    column_extra=9,
    column_flags=13,
    column_extended_flags=None,
    column_fixed_offset=14,
    column_length=16,
    name_length_size=1,
    index_count_size=8,
    index_data_size=39,
    index_data_columns=0,
    index_data_map=30,
    index_data_root=34,
    index_data_flags=38,
    index_size=20,
    index_number=0,
    index_previous=8,
    index_next=12,
    index_tail=16,
    index_prefix=20,
    index_bits=22,
    index_bits_length=226,
)

JET4: Final = Format(
    name="Jet 4",
    page_size=4096,
    most_bytes=1 << 31,
    mask_length=128,
    collation=0x6E,
    password_length=40,
    created=0x72,
    commit_words=0xE00,
    neutral_commit_word=0x100,
    row_count=12,
    slots=14,
    count_size=2,
    definition_continues=8,
    definition_length=8,
    definition_rows=16,
    definition_autonumber=20,
    definition_complex_autonumber=28,
    definition_kind=40,
    definition_most_columns=41,
    definition_variable_columns=43,
    definition_columns=45,
    definition_indexes=47,
    definition_index_data=51,
    definition_owned_map=55,
    definition_free_map=59,
    definition_end=63,
    column_size=25,
    column_number=5,
    column_variable_index=7,
    column_extra=11,
    column_flags=15,
    column_extended_flags=16,
    column_fixed_offset=21,
    column_length=23,
    name_length_size=2,
    index_count_size=12,
    index_data_size=52,
    index_data_columns=4,
    index_data_map=34,
    index_data_root=38,
    index_data_flags=46,
    index_size=28,
    index_number=4,
    index_previous=12,
    index_next=16,
    index_tail=20,
    index_prefix=24,
    index_bits=27,
    index_bits_length=453,
)

LARGEST_PAGE: Final = JET4.page_size


class Version(NamedTuple):
    """What byte 0x14 of the header says (mdbtools "Database Definition Page"; jackcess JetFormat)."""

    number: int
    name: str
    access: str  # the first Access that writes it
    layout: Format


VERSIONS: Final[dict[int, Version]] = {
    version.number: version
    for version in (
        Version(0, "Jet 3", "97", JET3),
        Version(1, "Jet 4", "2000", JET4),
        Version(2, "ACE 12", "2007", JET4),
        Version(3, "ACE 14", "2010", JET4),
        Version(4, "ACE 15", "2013", JET4),
        Version(5, "ACE 16", "2016", JET4),
        Version(6, "ACE 17", "2019", JET4),
    )
}
