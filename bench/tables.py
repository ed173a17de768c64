"""What the benchmarks share in measuring and printing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median


def interleaved(works: Mapping[str, Callable[[], float]], times: int) -> dict[str, float]:
    """The median of each, taken in turns, so that a busy moment of the machine meets all of them."""
    seen: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            seen[name].append(work())
    return {name: median(values) for name, values in seen.items()}


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they need to be; what is no text stands at the right."""
    texts = [list(heads), *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(heads))]
    right = [not isinstance(cell, str) for cell in rows[0]] if rows else [False] * len(heads)
    return "\n".join(
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in texts
    )


def _shown(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)
