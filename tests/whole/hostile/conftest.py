"""Fixtures of whole services, and the watch over them."""

from tests.fixtures.processes import probe, workers
from tests.fixtures.service import made_state, scrape, serve, state
from tests.fixtures.watching import watch

__all__ = ["made_state", "probe", "scrape", "serve", "state", "watch", "workers"]
