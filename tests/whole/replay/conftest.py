"""The load tester's command with a whole service."""

from tests.fixtures.cluster import cluster, made_cluster, serve
from tests.fixtures.replaying import background, command, replay

__all__ = ["background", "cluster", "command", "made_cluster", "replay", "serve"]
