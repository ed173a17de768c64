"""Thresholds in words: the probe's own, and those that the site file puts in their place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from checkup.assessment import Assessment
from checkup.report.model import Pair
from checkup.report.text import NBSP, clean

# A threshold may be a fraction; "14.0 days" is for people 14.
_WHOLE = re.compile(r"(?<=\d)\.0\Z")


def levels_text(levels: Iterable[Pair]) -> str:
    return " · ".join(
        f"{clean(name, 80).replace('_', NBSP)}{NBSP}{_WHOLE.sub('', clean(value, 80))}"
        for name, value in levels
    )


def own_levels(probe: str, assessment: Assessment, where: Callable[[str], str]) -> tuple[Pair, ...]:
    """The site's own levels, and where they hold; one line for all places alike."""
    places: dict[str, list[str]] = {}
    checks = [check for check in assessment.checks if check.probe == probe]
    for check in checks:
        if check.levels:
            places.setdefault(levels_text(check.levels.items()), []).append(where(check.target))
    return tuple(
        ("everywhere" if len(found) == len(checks) > 1 else ", ".join(found), text)
        for text, found in places.items()
    )


def levels_in_force(
    probe: str, targets: Iterable[str], assessment: Assessment, where: Callable[[str], str]
) -> str:
    """What a probe judged these targets by, and whose thresholds those are; "" for a probe without any."""
    known = assessment.probes.get(probe)
    if known is None or not known.levels:
        return ""
    concerned = set(targets)
    own: dict[str, list[str]] = {}
    for check in assessment.checks:
        if check.probe == probe and check.target in concerned and check.levels:
            own.setdefault(levels_text(check.levels.items()), []).append(where(check.target))
    said = [f"default: {levels_text(known.levels.items())}"]
    for text, found in own.items():
        places = "" if len(found) == len(concerned) else f" for {', '.join(found)}"
        said.append(f"site file{places}: {text}")
    return "; ".join(said)
