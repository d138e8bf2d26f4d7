"""Fixtures of services that something happens to while they run."""

from tests.fixtures.processes import probe, workers
from tests.fixtures.service import made_state, scrape, serve, state, tvs

__all__ = ["made_state", "probe", "scrape", "serve", "state", "tvs", "workers"]
