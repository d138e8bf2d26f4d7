"""Fixtures of services that something happens to while they run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.disks import make_disk
from tests.fixtures.processes import probe, workers
from tests.fixtures.running import Running, services
from tests.fixtures.service import made_state, scrape, serve, state, tvs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tvs.state import StateDirectory

__all__ = ["made_state", "make_disk", "probe", "scrape", "serve", "state", "tvs", "workers"]


@pytest.fixture
def serve_at(tmp_path: Path) -> Iterator[Callable[[StateDirectory], Callable[..., Running]]]:
    """A function that returns `serve` for another state directory."""
    with services(tmp_path) as start:
        yield lambda state: partial(start, state)
