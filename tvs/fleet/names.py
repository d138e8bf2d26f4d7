"""Names of phones, as requests, inventories and administrators write them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_PHONE: Final = re.compile(r"(?:(?P<model>.{1,32})-)?(?i:SEP)(?P<mac>[0-9A-Fa-f]{12})")
"""A phone's name in its requests: the model, and the name that the Unified CM has for it."""


@lru_cache(maxsize=1024)
def identity(text: str) -> tuple[str, str]:
    """Name and model of a phone that calls itself so: ``SEPB000B4BA0AEE`` and ``CP-8861`` of both in one.

    Whatever is not of this form is a name without a model.
    """
    match = _PHONE.fullmatch(text)
    return (f"SEP{match['mac'].upper()}", match["model"] or "") if match else (text, "")
