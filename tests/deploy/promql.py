"""Selectors in the expressions of our rules and of our dashboard."""

from __future__ import annotations

import re

SELECTOR = re.compile(r"\binstance:[\w:]+(?:\{[^}]*\})?|\b(?:tvs_\w+|up|ALERTS)\b(?:\{[^}]*\})?")
"""A selector as our expressions have them: recorded series, those of the service, `up` and `ALERTS`."""
WORDS = {"and", "or", "unless", "on", "ignoring", "without", "group_right", "offset"} | {
    *("sum", "increase", "absent", "count_over_time", "time"),
    *("by", "max", "min", "count", "rate", "histogram_quantile", "sort", "vector"),
}
"""All other words of our expressions."""


def selectors(expression: str) -> set[str]:
    """The selectors of an expression; a part that was not understood is a failure."""
    found = set(SELECTOR.findall(expression))
    rest = re.sub(r"\((?:[a-z_]+(?:, )?)+\)", " ", SELECTOR.sub(" ", expression))  # labels of by, without, on …
    words = set(re.findall(r"[a-zA-Z_]\w*", re.sub(r"\[[\dsmhdw:]+\]|\b\d+[smhdw]\b", " ", rest)))
    assert words <= WORDS, f"{words - WORDS} in {expression}"
    return found
