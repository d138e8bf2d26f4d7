"""Databases and stores for the tests that are about PostgreSQL alone."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.postgres import new_server, shared_server
from tests.fixtures.stores import PostgresDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server


@pytest.fixture(scope="session")
def server() -> Server:
    """The server of all tests; its sessions are not to be ended but by the name of their database."""
    return shared_server()


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that the tests of a module may stop; they start it again."""
    with new_server() as made:
        yield made


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    """The URL of a database without tables."""
    with server.database() as url:
        yield url


@pytest.fixture
def database(server: Server) -> Iterator[PostgresDatabase]:
    """A database with the tables of a new store."""
    made = PostgresDatabase(server)
    made.create().close()
    try:
        yield made
    finally:
        made.remove()


@pytest.fixture
def store(database: PostgresDatabase) -> Iterator[CertificateStore]:
    """A new, empty store."""
    with closing(database.open()) as opened:
        yield opened
