"""One worker in this process, its caches, and phones that connect to it."""

from tests.fixtures.caches import db_cache, empty_ctl_cache, store, verifier
from tests.fixtures.descriptors import free, no_descriptors
from tests.fixtures.phones import connect, tcp_pair
from tests.fixtures.service import published_query
from tests.fixtures.worker import config, make_worker, worker

__all__ = [
    "config",
    "connect",
    "db_cache",
    "empty_ctl_cache",
    "free",
    "make_worker",
    "no_descriptors",
    "published_query",
    "store",
    "tcp_pair",
    "verifier",
    "worker",
]
