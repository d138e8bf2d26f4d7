"""The disk of the server's tables is full: changes are refused, reads go on."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.cache import CertificateDBCache
from certstore.changes import NewCertificate
from certstore.errors import StoreUnavailable
from certstore.opening import open_store
from certstore.purposes import Purpose
from tests.fixtures.certificates import certificate
from tests.fixtures.disks import make_disk

if TYPE_CHECKING:
    from tests.fixtures.disks import MakeDisk
    from tests.fixtures.postgres import Server

__all__ = ["make_disk"]

SIZE = 32 * 1024
"""KiB: a database without rows has 8 MiB."""
MANY = 200
"""Certificates that need more room than the tables' last pages have."""


def test_full_disk(own_server: Server, make_disk: MakeDisk) -> None:
    """An import that finds no room changes nothing and says so; with room again it works, in the same store."""
    disk = make_disk(SIZE, own_server.folder / "small")
    owner = own_server.data.stat()
    os.chown(disk.path, owner.st_uid, owner.st_gid)
    own_server.run(f"CREATE TABLESPACE small LOCATION '{disk.path}'")
    name = own_server.new_name()
    own_server.make(name, options="TABLESPACE small")
    try:
        with closing(open_store(own_server.url(name), create=True)) as store:
            store.import_certificate(certificate("CN=before", 1), Purpose.Phone_trust)
            cache = CertificateDBCache(store)
            cache.load()
            before = (store.entries(), store.last_change())
            more = [
                NewCertificate(der=certificate("CN=more", serial), unit=Purpose.Phone_trust)
                for serial in range(2, MANY)
            ]
            disk.fill()
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="the server's disk is full; nothing was changed"):
                    store.import_certificates(more)
            assert (store.entries(), store.last_change()) == before
            assert cache.refresh() is False
            assert len(list(store.trusted())) == 1
            disk.empty()
            store.import_certificates(more)
            assert cache.refresh() is True
            assert len(cache) == MANY - 1
    finally:
        own_server.drop(name)
        own_server.run("DROP TABLESPACE small")
