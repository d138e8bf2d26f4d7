"""Fixtures of whole services."""

from tests.fixtures.captures import tshark
from tests.fixtures.processes import probe, workers
from tests.fixtures.service import ask_raw, made_state, published_query, scrape, serve, state, tvs

__all__ = ["ask_raw", "made_state", "probe", "published_query", "scrape", "serve", "state", "tshark", "tvs", "workers"]
