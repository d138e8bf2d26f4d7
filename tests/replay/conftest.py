"""Fixtures for the tests of the load tester: a cluster, its services, and the command."""

from __future__ import annotations

from tests.fixtures.cluster import cluster, made_cluster, serve
from tests.fixtures.replaying import background, command, replay

__all__ = ["background", "cluster", "command", "made_cluster", "replay", "serve"]
