"""How large an Access file is, how much of it is used, and until when that goes well."""

from __future__ import annotations

from dataclasses import dataclass

from checkup.api import Bytes, Instant, Ratio
from checkup.assessment import Outcome
from checkup.report.charts import Bar, Filling, bar, filling
from checkup.report.model import Figure, Trend
from checkup.report.target_results import PLAIN, UNKNOWN, TargetResults
from checkup.report.text import NBSP, bytes_text
from checkup.report.trends import trend_of

SIZE, GROWTH, SPACE = "size-limit", "size-forecast", "reclaimable"


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes; None where the size is not known, and for `free` and `lost` where the maps are not."""

    size: float | None
    limit: float | None
    filled: float | None
    free: float | None
    lost: float | None

    @property
    def share(self) -> float | None:
        """How much of the limit is filled."""
        return self.filled / self.limit if self.filled is not None and self.limit else None


def space_of(file: TargetResults) -> Space:
    size, limit = file.amount(SIZE, "size"), file.amount(SIZE, "largest")
    free, lost = file.amount(SPACE, "free"), file.amount(SPACE, "lost")
    inside = free if free is not None else file.amount(SIZE, "free_inside")
    filled = max(0.0, size - (inside or 0.0)) if size is not None else None
    return Space(size, limit, filled, free, lost)


def figures(file: TargetResults, space: Space) -> tuple[Figure, Figure, Figure]:
    """Size, filling, and what compaction gives: what a manager asks first."""
    limit = f"; its limit is {bytes_text(space.limit)}" if space.limit else ""
    share = file.printer.formats.value(Ratio(space.share)) if space.share is not None else UNKNOWN
    gain = file.shown(SPACE, "reclaimable")
    return (
        Figure(number=_size(space), label=f"size of the file{limit}", style=PLAIN),
        Figure(number=share, label="of the limit is filled", style=file.style(SIZE)),
        Figure(
            number=gain or UNKNOWN,
            label="compaction would give back, at least" if gain else "to give back by compaction: not known",
            style=file.style(SPACE),
        ),
    )


def _size(space: Space) -> str:
    return bytes_text(space.size) if space.size is not None else UNKNOWN


def size_bar(file: TargetResults, space: Space) -> Bar | None:
    """The size against the limit, for the overview."""
    if space.filled is None or not space.limit:
        return None
    style = file.style(SIZE)
    spoken = f"{bytes_text(space.filled)} filled of {bytes_text(space.limit)}"
    return bar(
        space.filled,
        space.limit,
        whole=space.limit,
        style="fine" if style == PLAIN else style,
        title=spoken,
    )


def filling_of(file: TargetResults, space: Space) -> tuple[str, Filling | None, str]:
    """The chart of what the file holds, under the sentence that it shows, and the note below it."""
    if space.size is None or space.limit is None or space.filled is None:
        return "", None, ""
    limit = bytes_text(space.limit)
    share = file.printer.formats.value(Ratio(space.share or 0.0))
    caption = f"{bytes_text(space.filled)} are filled, {share} of the {limit} that the format allows."
    lost = space.lost or 0.0
    known = space.free is not None and space.lost is not None
    parts = [("fine", space.filled - lost, f"in use {bytes_text(space.filled - lost)}")]
    if lost:
        parts.append(("lost", lost, f"lost {bytes_text(lost)}"))
    if space.free:
        parts.append(("empty", space.free, f"empty {bytes_text(space.free)}"))
    spoken = ", ".join(text for _, _, text in parts)
    drawn = filling(
        parts,
        limit=space.limit,
        limit_label=f"limit {limit}",
        title=f"The file of {bytes_text(space.size)}: {spoken}; its limit is {limit}.",
    )
    return caption, drawn, _note(file, known=known)


def _note(file: TargetResults, *, known: bool) -> str:
    if not known:
        return "How much of the file is empty was not looked at, so all of it counts as filled."
    after, gain = file.shown(SPACE, "after"), file.shown(SPACE, "reclaimable")
    said = "Empty space is used again by the file itself; lost space belongs to nothing any more."
    if not gain or not file.amount(SPACE, "reclaimable"):
        return f"{said} There is nothing that compaction would give back."
    share = file.shown(SPACE, "share")
    return f"{said} Compaction gives both back: at least {gain} ({share}), leaving a file of {after}."


# --- growth -----------------------------------------------------------------------------------


def growth_of(file: TargetResults) -> tuple[Trend | None, str]:
    """The chart of the past visits and what is to be expected, in words."""
    # Sizes with and without the empty pages inside are two histories; the check says which one is current.
    name = "size_bytes" if file.metric(GROWTH, "filled_bytes") is None else "filled_bytes"
    history = file.history.get((file.name(GROWTH), name, ""))
    chart = trend_of(history, file.printer) if history else None
    return chart, _expected(file)


def _expected(file: TargetResults) -> str:
    a_month, full_on = file.shown(GROWTH, "growth_a_month"), file.shown(GROWTH, "full_on")
    if full_on:
        between = _between(file)
        return f"It grows by {a_month} a month; at that rate its limit is reached about {full_on}{between}."
    if a_month:
        return f"It grows by {a_month} a month; at that rate its limit is not reached in the next ten years."
    if file.outcome(GROWTH) is Outcome.NOT_APPLICABLE:
        why = file.reason(GROWTH, Outcome.NOT_APPLICABLE).partition(":")[2].strip()
        so_far = f" ({why} so far)" if why else ""
        return f"How fast it grows, and until when it has room, will be known from later visits on{so_far}."
    return "How fast it grows could not be told."


def _between(file: TargetResults) -> str:
    earliest, latest = file.shown(GROWTH, "earliest"), file.shown(GROWTH, "latest")
    if earliest and latest and earliest != latest:
        return f" (between {earliest} and {latest})"
    return f" ({earliest} at the earliest)" if earliest and not latest else ""


def fullness(file: TargetResults, space: Space) -> str:
    """The clause of the headline: "66 % of its 2 GB are filled, which lasts until about 3 Mar 2028"."""
    if space.share is None or space.limit is None:
        return "its size is not known"
    share = file.printer.formats.value(Ratio(space.share))
    said = f"{share} of its {file.printer.formats.value(Bytes(round(space.limit)))} are filled"
    full_on = file.value(GROWTH, "full_on")
    if isinstance(full_on, Instant):
        return f"{said}, and at its growth so far it is full about{NBSP}{file.shown(GROWTH, 'full_on')}"
    return said
