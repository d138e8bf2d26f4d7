"""A running service and its state directory."""

from tests.fixtures.service import made_state, serve, state, tvs

__all__ = ["made_state", "serve", "state", "tvs"]
