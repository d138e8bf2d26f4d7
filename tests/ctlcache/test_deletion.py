"""A CTL file that an administrator deleted, told from one that vanished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.cache import CertificateCTLCache, CheckResult
from ctlcache.deletion import deletion_marker
from ctlcache.inspection import FileState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ctlcache.conftest import Listener


def delete(path: Path) -> None:
    """Deletes a list as an administrator's command does."""
    path.replace(deletion_marker(path))


def test_a_deletion_empties_the_cache_at_the_first_check(
    cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener
) -> None:
    """A deleted list is out of use after one check, and reported once, with no certificate and no signer."""
    path.write_bytes(tokenless)
    cache.load()
    delete(path)
    assert cache.check() is CheckResult.DELETED
    assert cache.check() is CheckResult.UNCHANGED
    assert (len(cache), cache.state, cache.signature_valid, cache.signer) == (0, FileState.DELETED, None, None)
    assert listener.names == ["reloaded", "deleted"]
    fields = listener.events[1][1]
    assert (fields["reason"], fields["certificates"]) == ("an administrator deleted it", 0)


def test_a_list_that_vanished_is_in_use_until_it_is_deleted(
    cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener
) -> None:
    """A loss keeps the last good index; a marker that comes later is the administrator's word that it may go."""
    path.write_bytes(tokenless)
    cache.load()
    path.unlink()
    assert [cache.check(), cache.check()] == [CheckResult.UNSETTLED, CheckResult.MISSING]
    assert len(cache) == 3
    deletion_marker(path).touch()
    assert cache.check() is CheckResult.DELETED
    assert len(cache) == 0
    assert listener.names == ["reloaded", "missing", "deleted"]


def test_a_new_list_is_in_use_whatever_the_marker(
    cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener
) -> None:
    """A list beside a marker is put in use; when the marker is gone too, a loss is an accident again."""
    path.write_bytes(tokenless)
    cache.load()
    delete(path)
    cache.check()
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.RELOADED
    deletion_marker(path).unlink()
    path.unlink()
    assert [cache.check(), cache.check()] == [CheckResult.UNSETTLED, CheckResult.MISSING]
    assert len(cache) == 3
    assert listener.names == ["reloaded", "deleted", "reloaded", "missing"]


def test_a_start_after_the_deletion(cache: CertificateCTLCache, path: Path, listener: Listener) -> None:
    """At the start the marker is known too: nothing was ever in use, and the state is not that of a lost file."""
    deletion_marker(path).touch()
    assert not cache.load()
    assert (cache.state, cache.loaded) == (FileState.DELETED, False)
    assert listener.names == ["deleted"]


@pytest.fixture
def original(tmp_path: Path, tokenless: bytes) -> Path:
    """The list that commands delete, in another directory than the watched one."""
    folder = tmp_path / "state"
    folder.mkdir()
    path = folder / "CTLFile.tlv"
    path.write_bytes(tokenless)
    return path


@pytest.fixture
def copied(path: Path, original: Path, tokenless: bytes) -> CertificateCTLCache:
    """A cache that watches a copy of that list, in use."""
    path.write_bytes(tokenless)
    cache = CertificateCTLCache(path, copy_of=original)
    assert cache.load()
    return cache


def test_a_copy_of_a_deleted_list(copied: CertificateCTLCache, path: Path, original: Path, tokenless: bytes) -> None:
    """A copy elsewhere goes out of use with its original, present or absent; a new original ends that."""
    delete(original)
    assert copied.check() is CheckResult.DELETED
    path.unlink()
    assert copied.check() is CheckResult.UNCHANGED
    path.write_bytes(tokenless)
    assert copied.check() is CheckResult.UNCHANGED
    original.write_bytes(tokenless)
    assert copied.check() is CheckResult.RELOADED
    assert len(copied) == 3


def test_another_list_than_the_deleted_one(
    copied: CertificateCTLCache, path: Path, original: Path, regenerated: bytes
) -> None:
    """A watched list with other bytes than the deleted one stays in use; once it is absent too, it is deleted."""
    path.write_bytes(regenerated)
    assert copied.check() is CheckResult.RELOADED
    delete(original)
    assert copied.check() is CheckResult.UNCHANGED
    path.unlink()
    assert copied.check() is CheckResult.DELETED


def test_a_lost_copy_is_an_accident(copied: CertificateCTLCache, path: Path) -> None:
    """While the original is there, a copy that vanishes leaves the last good index in use."""
    path.unlink()
    assert [copied.check(), copied.check()] == [CheckResult.UNSETTLED, CheckResult.MISSING]
    assert len(copied) == 3
