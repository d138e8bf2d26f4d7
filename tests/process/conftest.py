"""State directories of services."""

from tests.fixtures.service import made_state, state

__all__ = ["made_state", "state"]
