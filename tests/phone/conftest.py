"""A cluster, its services, a TFTP server, and phones."""

from tests.fixtures.cluster import (
    cluster,
    dead_server,
    free_port,
    made_cluster,
    make_phone,
    other_cluster,
    run,
    serve,
    tftp_server,
    tvs,
)
from tests.fixtures.refusals import plan, put_ctl, stranger

__all__ = [
    "cluster",
    "dead_server",
    "free_port",
    "made_cluster",
    "make_phone",
    "other_cluster",
    "plan",
    "put_ctl",
    "run",
    "serve",
    "stranger",
    "tftp_server",
    "tvs",
]
