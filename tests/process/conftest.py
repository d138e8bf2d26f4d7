"""State directories of services, a process without descriptors, and databases that never answer."""

from tests.fixtures.descriptors import free, no_descriptors
from tests.fixtures.service import made_state, state
from tests.fixtures.silent import silent_name_server

__all__ = ["free", "made_state", "no_descriptors", "silent_name_server", "state"]
