"""The parts of a cluster: the words of a command line by which each is found, and their end, in order.

It imports nothing but Python's own modules: what an environment has left behind is stopped without it.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from deploy.cluster import processes
from deploy.cluster.layout import NODES

if TYPE_CHECKING:
    from deploy.cluster.layout import Folder

PHONES = "phones"
POSTGRES = "postgres"
STOP_PATIENCE = {PHONES: 10.0, POSTGRES: 60.0}
"""Seconds until a part must have ended."""
NODE_PATIENCE = 30.0
"""The same for a node: open connections may finish, for 10 s."""


def serving(folder: Folder, node: str) -> tuple[str, ...]:
    """A node's service."""
    return ("serve", "--state", str(folder.state(node)))


def making(folder: Folder, node: str) -> tuple[str, ...]:
    """The command that makes a node."""
    return ("init", "--state", str(folder.state(node)))


def phones(folder: Folder) -> tuple[str, ...]:
    """The phones."""
    return ("deploy.cluster.phones", str(folder.path))


def database(folder: Folder) -> tuple[str, ...]:
    """PostgreSQL, and the programs that make its data directory."""
    return ("-D", str(folder.data))


def stop_all(folder: Folder) -> list[str]:
    """Ends every process, also those of an interrupted start: phones, nodes, PostgreSQL. Returns what ran."""
    stopped = []
    if processes.stop(phones(folder), signal.SIGTERM, STOP_PATIENCE[PHONES]):
        stopped.append(PHONES)
    for node in reversed(NODES):
        ended = [processes.stop(words(folder, node), signal.SIGTERM, NODE_PATIENCE) for words in (making, serving)]
        if any(ended):
            stopped.append(node)
    if processes.stop(database(folder), signal.SIGINT, STOP_PATIENCE[POSTGRES]):
        stopped.append("PostgreSQL")
    return stopped
