"""Words and numbers that the status has wherever people read it: in the terminal and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tvs.status.observed import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MINUTE: Final = 60 // INTERVAL
"""Intervals of a minute."""
_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60))

STANDINGS: Final = {
    "trusting": "told to trust the signer",
    "denied": "told not to",
    "elsewhere": "asked for no signer",
    "missing": "never seen",
}
"""What phones were last told of the signer of a trust list, by `certstore.devices.Standing`."""


def duration(seconds: float) -> str:
    """A duration in one unit: ``12 s``, ``3 min``, ``5 h``, ``8 d``."""
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{int(seconds / size)} {unit}"
    return f"{int(seconds)} s"


def age(seconds: float) -> str:
    """A time in the largest unit that it fills: ``3 days``."""
    for unit, noun in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return number(int(seconds // unit), noun)
    return "less than a minute"


def number(count: int, noun: str) -> str:
    """A number with its noun: ``1 day``, ``3 days``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def last_minute(rate: Sequence[int]) -> int:
    """The sum of the last minute of a rate. `rate`: numbers of intervals, the present one last."""
    return sum(rate[-_MINUTE:])


def traced_phones(trace: Mapping[str, Any]) -> str:
    """The phones of a trace order, as `/status.json` has it, with commas; empty for all."""
    return ", ".join([*trace["devices"], *trace["addresses"]])
