"""Emulated phones with a whole cluster: its services, and a TFTP server of the distribution."""

from tests.fixtures.cluster import (
    cluster,
    dead_server,
    free_port,
    made_cluster,
    make_phone,
    run,
    serve,
    tftp_server,
    today,
    tvs,
)

__all__ = [
    "cluster",
    "dead_server",
    "free_port",
    "made_cluster",
    "make_phone",
    "run",
    "serve",
    "tftp_server",
    "today",
    "tvs",
]
