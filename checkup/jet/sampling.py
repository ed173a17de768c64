"""Random pages of every large owner: what they hold on average, how sure that is, and what is wrong on them.

Where a file is too far away to be read whole, some hundred pages of an owner tell its free and deleted space
to a few points. What no sample shows may still be there: the bound for that is stated, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from checkup.jet.page_checks import judge
from checkup.jet.pages import Pages
from checkup.jet.partition import DATA, LONG_VALUES, Partition, Share
from checkup.jet.placement_checks import check_placement
from checkup.jet.problems import Findings

Numbers = NDArray[Any]

BATCH_PAGES: Final = 1024
_NORMAL_95: Final = 1.96  # standard deviations that 95 of 100 draws keep within


@dataclass(frozen=True)
class SamplePlan:
    """Pages of each of the largest owners' data and long values. 400 pages are 16 MB for ten owners, and give
    a share of space to five points at worst."""

    pages: int = 400
    owners: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """A mean, and how far off it is in at most 5 of 100 samples; 0 where every page was looked at."""

    mean: float
    error: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a sample says of one owner's pages. Ratios are parts of a page.

    `unsound` of the sampled pages were not sound; at most `unsound_most_ratio` of all pages are, which is
    wrong for 5 of 100 samples.
    """

    share: Share
    sampled: int
    free_ratio: Measured
    deleted_ratio: Measured
    rows_per_page: Measured
    unsound: int
    unsound_most_ratio: float


def sample(pages: Pages, partition: Partition, plan: SamplePlan, findings: Findings) -> tuple[Estimate, ...]:
    """One round for each owner; the same plan reads the same pages of the same file. Raises SourceError."""
    random = Random(plan.seed)  # noqa: S311 a sample, no secret
    chosen = sorted(
        (number for number, share in enumerate(partition.shares) if share.role in (DATA, LONG_VALUES)),
        key=lambda number: (-partition.shares[number].pages, number),
    )
    drawn: list[tuple[Share, Numbers]] = []
    for number in chosen[: plan.owners]:
        share = partition.shares[number]
        if share.pages:
            owned = partition.pages_of(number)
            picked = sorted(random.sample(range(len(owned)), min(plan.pages, len(owned))))
            drawn.append((share, owned[picked]))
    return tuple(_estimate(pages, share, numbers, partition, findings) for share, numbers in drawn)


def _estimate(
    pages: Pages, share: Share, numbers: Numbers, partition: Partition, findings: Findings
) -> Estimate:
    wanted: list[int] = numbers.tolist()
    data: list[bytes] = []
    for first in range(0, len(wanted), BATCH_PAGES):
        some = wanted[first : first + BATCH_PAGES]
        found = pages.get(some)
        data += [found.get(number, b"") for number in some]
    table = judge(wanted, data, pages.layout)
    sound = check_placement(numbers, table, partition, findings, "sample")
    size = pages.layout.page_size
    unsound = int(np.count_nonzero(~sound))
    return Estimate(
        share=share,
        sampled=len(wanted),
        free_ratio=_measured(table.free_bytes[sound] / size, share.pages),
        deleted_ratio=_measured(table.deleted_bytes[sound] / size, share.pages),
        rows_per_page=_measured(table.live_rows[sound].astype(np.float64), share.pages),
        unsound=unsound,
        unsound_most_ratio=most_ratio(unsound, len(wanted), share.pages),
    )


def _measured(values: Numbers, population: int) -> Measured:
    """The normal approximation, with the correction for a sample that is a good part of all."""
    count = len(values)
    if count == 0:
        return Measured(0.0, 1.0)
    if count == 1:
        return Measured(float(values[0]), 0.0 if population == 1 else 1.0)
    left = (population - count) / (population - 1) if population > count else 0.0
    error = _NORMAL_95 * float(values.std(ddof=1)) * math.sqrt(left / count)
    return Measured(float(values.mean()), error)


def most_ratio(hits: int, sampled: int, population: int) -> float:
    """The largest part that 95 of 100 samples would have shown more of: the upper limit of Clopper and
    Pearson, one-sided; for no hit close to three in the sampled."""
    if sampled >= population:
        return hits / population if population else 0.0
    if hits >= sampled:
        return 1.0
    low, high = hits / sampled, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(hits, sampled, middle) > 0.05:
            low = middle
        else:
            high = middle
    return high


def _at_most(hits: int, sampled: int, ratio: float) -> float:
    """The chance of no more than so many hits, by the binomial distribution."""
    return sum(
        math.comb(sampled, one) * ratio**one * (1 - ratio) ** (sampled - one) for one in range(hits + 1)
    )
