"""How large the databases of a SQL instance are, what they may reach, and until when that goes well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from checkup.api import Bytes, Instant
from checkup.assessment import Outcome
from checkup.report.charts import Bar, bar
from checkup.report.input import MetricHistory
from checkup.report.model import Figure, SqlDatabase, SqlVolume, Trend
from checkup.report.target_results import PLAIN, UNKNOWN, TargetResults
from checkup.report.text import NBSP, bytes_text, clean, count
from checkup.report.trends import trend_of

EXPRESS, LOGS, VOLUMES = "express-limit", "log-size", "volume-space"
# The check that foresees growth, and the number that it follows. Only SQL Server says what limits a database.
GROWTH: Mapping[str, tuple[str, str]] = {
    "sqlserver": ("growth", "data_bytes"),
    "postgresql": ("database-growth", "size_bytes"),
    "mariadb": ("database-growth", "size_bytes"),
}
_ROOM_TOLD = frozenset({"sqlserver"})
MOST_DATABASES = 40
# In place of an empty cell: what could not be looked at, and what later visits will tell.
_NOT_SEEN, _UNKNOWN_YET = "not seen", UNKNOWN


def databases_of(instance: TargetResults) -> list[SqlDatabase]:
    """The largest first; those whose size is not known by name behind them."""
    names = _names(instance)
    sizes = {name: _size(instance, name) for name in names}
    ordered = sorted(names, key=lambda name: (-(sizes[name] or 0), name))[:MOST_DATABASES]
    with_logs = any(instance.amount(LOGS, "log", name) is not None for name in ordered)
    return [_database(instance, name, sizes[name], with_logs=with_logs) for name in ordered]


def total(instance: TargetResults) -> tuple[int, float | None]:
    """How many databases there are, and the bytes of their data as far as they are known."""
    names = _names(instance)
    known = [size for name in names if (size := _size(instance, name)) is not None]
    return len(names), sum(known) if known else None


def _names(instance: TargetResults) -> list[str]:
    """The clinic's databases: all whose size is known, or ought to be; the engine's own are none of them."""
    growth = _growth(instance)
    named = [result.item for check in (EXPRESS, LOGS) for result in instance.of(check)]
    named += [result.item for result in instance.of(growth[0])] if growth else []
    named += [item for item, _ in instance.items(*growth)] if growth else []
    return [name for name in dict.fromkeys(named) if name]


def _growth(instance: TargetResults) -> tuple[str, str] | None:
    return GROWTH.get(instance.area)


def _size(instance: TargetResults, name: str) -> float | None:
    """Of the data files: what they take on the disk, else what is filled of them."""
    growth = _growth(instance)
    on_disk = instance.amount(EXPRESS, "size", name) or instance.amount(LOGS, "data", name)
    return on_disk or (instance.metric(*growth, name) if growth else None)


def _database(instance: TargetResults, name: str, size: float | None, *, with_logs: bool) -> SqlDatabase:
    growth = _growth(instance)
    check = growth[0] if growth else ""
    used, room = instance.amount(check, "used", name), instance.amount(check, "room", name)
    log = instance.amount(LOGS, "log", name)
    shown = clean(name, 120)
    return SqlDatabase(
        name=shown,
        data=bytes_text(size) if size is not None else _NOT_SEEN,
        log=bytes_text(log) if log is not None else _NOT_SEEN if with_logs else "",
        bar=_filled(instance, check, used, room, shown),
        room=bytes_text(room) if room else _NOT_SEEN if instance.area in _ROOM_TOLD else "",
        a_month=instance.shown(check, "growth_a_month", name) or _UNKNOWN_YET,
        full_on=_full_on(instance, check, name) or _UNKNOWN_YET,
    )


def _filled(
    instance: TargetResults, check: str, used: float | None, room: float | None, name: str
) -> Bar | None:
    if used is None or not room:
        return None
    near = any(one.item == name for one in instance.open(check))
    title = f"{name}: {bytes_text(used)} of the {bytes_text(room)} that it may reach"
    return bar(used, room, whole=room, style="bad" if near else "fine", title=title)


def _full_on(instance: TargetResults, check: str, name: str) -> str:
    day = instance.value(check, "full_on", name)
    if isinstance(day, Instant):
        return instance.printer.formats.date(day.value)
    limited = instance.shown(check, "room", name)
    return "not in ten years" if limited and instance.shown(check, "growth_a_month", name) else ""


def databases_note(instance: TargetResults) -> str:
    """What the columns mean, and the limit of the edition."""
    cap = instance.shown(EXPRESS, "cap")
    parts = [f"SQL Server Express allows {cap} of data for each database."] if cap else []
    if instance.area == "sqlserver":
        parts.append(
            "Data and log as they lie on the disk; room is what edition, files and volume leave to the data."
        )
    elif _names(instance):
        parts.append("How much room its disk has, the server does not tell: see the page of its machine.")
    many = len(_names(instance))
    if many > MOST_DATABASES:
        parts.append(f"The {MOST_DATABASES} largest of {count(many, 'database')}.")
    return " ".join(parts)


# --- volumes ----------------------------------------------------------------------------------


def volumes_of(instance: TargetResults) -> Iterator[SqlVolume]:
    for result in instance.of(VOLUMES):
        free, size = result.evidence.get("free"), result.evidence.get("size")
        if not (isinstance(free, Bytes) and isinstance(size, Bytes) and result.item):
            continue
        name, used = clean(result.item, 120), size.value - free.value
        style = "warn" if result in instance.open(VOLUMES) else "fine"
        history = instance.history.get((instance.name(VOLUMES), "used_bytes", result.item))
        reached = history.forecast.reached if history and history.forecast else None
        yield SqlVolume(
            name=name,
            free=bytes_text(free.value),
            size=bytes_text(size.value),
            bar=bar(
                used,
                size.value,
                whole=size.value,
                style=style,
                title=f"{name}: {bytes_text(used)} of {bytes_text(size.value)}",
            ),
            full_on=instance.printer.formats.date(reached) if reached else "",
            style="warn" if style == "warn" else PLAIN,
        )


# --- growth -----------------------------------------------------------------------------------


def _histories(instance: TargetResults) -> Iterator[MetricHistory]:
    """Of databases and volumes, those that reach their limit first before the others."""
    growth = _growth(instance)
    wanted = [growth] if growth else []
    wanted.append((VOLUMES, "used_bytes"))
    names = {(instance.name(check), metric) for check, metric in wanted}
    found = [one for (probe, metric, _), one in instance.history.items() if (probe, metric) in names]
    soon = [
        one for one in found if one.forecast is not None and one.forecast.reached is not None and one.limit
    ]
    yield from sorted(soon, key=lambda one: (str(one.forecast.reached) if one.forecast else "", one.item))


def growth_of(instance: TargetResults) -> tuple[Trend | None, str]:
    """The chart of what is full first, and the sentence above it."""
    for history in _histories(instance):
        chart = trend_of(history, instance.printer)
        if chart is not None:
            return chart, chart.caption
    growth = _growth(instance)
    why = instance.reason(growth[0], Outcome.NOT_APPLICABLE) if growth else ""
    grows = [
        value
        for name in _names(instance)
        if growth and (value := instance.amount(growth[0], "growth_a_month", name)) is not None
    ]
    if grows and instance.area not in _ROOM_TOLD:
        return None, f"Together its databases grow by {bytes_text(sum(grows))} a month."
    if "not enough history" in why:
        so_far = why.partition(":")[2].partition(";")[0].strip()
        return None, f"How fast it grows will be known from later visits on ({so_far} so far)."
    if grows:
        return None, "At the growth so far nothing reaches its limit in the next ten years."
    return None, ""


def fullness(instance: TargetResults) -> str:
    """The clause of the headline: "at its growth so far CardioLedger has room until about 3 Mar 2028"; ""
    where nothing is foreseen."""
    first = next(_histories(instance), None)
    if first is None or first.forecast is None or first.forecast.reached is None:
        return ""
    day = instance.printer.formats.date(first.forecast.reached)
    return f"at the growth so far {_thing(instance, first)} has room until about{NBSP}{day}"


def _thing(instance: TargetResults, history: MetricHistory) -> str:
    name = clean(history.item, 60)
    return f"the volume {name}" if history.probe == instance.name(VOLUMES) else name


def figures(instance: TargetResults) -> tuple[Figure, Figure]:
    """Size, and until when there is room."""
    number, size = total(instance)
    first = next(_histories(instance), None)
    day = first.forecast.reached if first and first.forecast else None
    return (
        Figure(
            number=bytes_text(size) if size is not None else UNKNOWN,
            label=f"of data in {count(number, 'database')}" if number else "of data: not known",
            style=PLAIN,
        ),
        Figure(
            number=instance.printer.formats.date(day) if day else UNKNOWN,
            label=f"until then {_thing(instance, first)} has room, at its growth so far"
            if first and day
            else "when room runs out: nothing is foreseen"
            if instance.area in _ROOM_TOLD
            else "when room runs out: the server cannot see its disk",
            style=_worst(instance),
        ),
    )


def _worst(instance: TargetResults) -> str:
    growth = _growth(instance)
    styles = [instance.style(check) for check in ([growth[0]] if growth else []) + [VOLUMES, EXPRESS]]
    return next((style for style in ("bad", "warn") if style in styles), PLAIN)
