"""A cluster as a value, and its administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import admin, made, made_today, other, today
from tests.fixtures.joined import made_nodes, nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner

__all__ = ["admin", "made", "made_nodes", "made_today", "nodes", "other", "today"]


@pytest.fixture
def stranger(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """A signer that no list of the cluster has."""
    return make_signer("CN=stranger;O=Elsewhere", "0BADCAFE", 2048)
