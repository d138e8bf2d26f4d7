"""State directories of services, and a process without descriptors."""

from tests.fixtures.descriptors import free, no_descriptors
from tests.fixtures.service import made_state, state

__all__ = ["free", "made_state", "no_descriptors", "state"]
