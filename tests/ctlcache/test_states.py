"""States of the CTL file: the result of each check, its report, and the index that stays in use."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from ctlcache.cache import CertificateCTLCache, CheckResult
from ctlcache.inspection import FileState
from ctlcache.trustlist import (
    Header,
    HeaderTag,
    TrustList,
    parse_trust_list,
    serialise,
)
from proto.tlv import Element
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.ctlcache.conftest import Listener


PUBLISHER = "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
CAPF = PUBLISHER.replace("cucm-1051-a-pub", "CAPF-e41e7d87")
REFRESHING = "updateLocalCTLCache : Refreshing the local CTL certificate cache"
MODIFIED = "CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified. Recaching CTL Certificate Cache"


def settled(cache: CertificateCTLCache) -> CheckResult:
    """The result once a second check has confirmed the first."""
    outcome = cache.check()
    return cache.check() if outcome is CheckResult.UNSETTLED else outcome


def test_a_good_file(cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener) -> None:
    """A good file is in use at the first check, and reported once."""
    before = time.time()
    assert (cache.state, cache.signature_valid, cache.last_success) == (FileState.NOT_READ, None, None)
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.RELOADED
    assert [cache.check() for _ in range(3)] == [CheckResult.UNCHANGED] * 3
    assert (cache.state, cache.signature_valid, cache.generation) == (FileState.OK, True, 1)
    assert cache.last_success is not None
    assert cache.last_success >= before - 1
    assert cache.signer is not None
    assert cache.signer.unique_map_id == f"70CAF64E090751B9DF22F49F754FC5BB{PUBLISHER}"
    assert cache.signer.subject_name == PUBLISHER
    assert listener.names == ["reloaded"]
    fields = listener.events[0][1]
    assert (fields["certificates"], fields["signer"]) == (3, cache.signer.unique_map_id)


def test_no_file_at_the_start(cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener) -> None:
    """A missing file is reported once, and one that comes later is a change."""
    assert not cache.load()
    assert (cache.state, cache.loaded, len(cache)) == (FileState.MISSING, False, 0)
    assert cache.check() is CheckResult.UNCHANGED
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.RELOADED
    assert listener.names == ["missing", "reloaded"]
    assert listener.lines[:2] == [MODIFIED, REFRESHING]


def unsigned(data: bytes) -> bytes:
    """The list without its signature, with the right header length."""
    parsed = parse_trust_list(data)
    length = (parsed.header.header_length - 131).to_bytes(2)
    elements = tuple(
        Element(element.tag, length) if element.tag == HeaderTag.HEADER_LENGTH else element
        for element in parsed.header.elements
        if element.tag != HeaderTag.SIGNATURE
    )
    return serialise(TrustList(Header(elements), parsed.records))


@pytest.mark.parametrize(
    ("spoil", "outcome", "detail"),
    [
        (lambda data: data[:-1], CheckResult.DAMAGED, "truncated"),
        (lambda _: b"", CheckResult.DAMAGED, "truncated"),
        (lambda data: data + bytes(1024 * 1024), CheckResult.DAMAGED, "too_large"),
        (unsigned, CheckResult.UNVERIFIED, "no_signature"),
        (lambda data: data[:-1] + b"\xff", CheckResult.UNVERIFIED, "bad_signature"),
    ],
    ids=["cut", "empty", "too large", "unsigned", "changed"],
)
def test_a_bad_file(
    cache: CertificateCTLCache,
    path: Path,
    tokenless: bytes,
    listener: Listener,
    spoil: Callable[[bytes], bytes],
    outcome: CheckResult,
    detail: str,
) -> None:
    """A damaged, truncated or unsigned file leaves the old index in use and is reported once for its content."""
    path.write_bytes(tokenless)
    cache.load()
    index, success = cache.index, cache.last_success
    for content in (spoil(tokenless), spoil(tokenless)):
        path.write_bytes(content)
        looks = [cache.check() for _ in range(4)]
    assert looks[-1] is CheckResult.UNCHANGED
    assert cache.index is index
    assert (str(cache.state), cache.signature_valid, cache.last_success) == (str(outcome), False, success)
    assert listener.names == ["reloaded", outcome]
    assert listener.events[1][1]["detail"] == detail
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.RELOADED
    assert listener.names == ["reloaded", outcome, "reloaded"]
    assert cache.state is FileState.OK


def test_a_bad_file_at_the_start(cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener) -> None:
    """With a bad file at the start nothing is in use, and the reason is reported."""
    path.write_bytes(tokenless[:500])
    assert not cache.load()
    assert (cache.loaded, cache.state, cache.signer) == (False, FileState.DAMAGED, None)
    assert "at byte 336" in str(listener.events[0][1]["reason"])


def test_removal(cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener) -> None:
    """Removing the file keeps the last good index; removal and return are each reported once."""
    path.write_bytes(tokenless)
    cache.load()
    path.unlink()
    assert [cache.check() for _ in range(3)] == [CheckResult.UNSETTLED, CheckResult.MISSING, CheckResult.UNCHANGED]
    assert (len(cache), cache.state, cache.signature_valid) == (3, FileState.MISSING, None)
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.RELOADED
    assert listener.names == ["reloaded", "missing", "reloaded"]


def test_a_file_that_is_half_written(
    cache: CertificateCTLCache, path: Path, tokenless: bytes, regenerated: bytes, listener: Listener
) -> None:
    """A file that is read while it is rewritten in place is not reported as damaged."""
    path.write_bytes(tokenless)
    cache.load()
    with path.open("r+b") as file:
        for start in range(0, len(regenerated), 700):
            file.write(regenerated[start : start + 700])
            file.flush()
            file.truncate()
            cache.check()
    assert cache.check() is CheckResult.UNCHANGED
    assert listener.names == ["reloaded", "reloaded"]
    assert cache.lookup(bytes.fromhex("6B1D357B6841740B078FEE4A1813D5D6"), PUBLISHER) is not None


def test_a_moment_without_a_file(cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener) -> None:
    """A file that is removed and created again, found missing once between, was never missing."""
    path.write_bytes(tokenless)
    cache.load()
    path.unlink()
    assert cache.check() is CheckResult.UNSETTLED
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.UNCHANGED
    path.unlink()
    assert cache.check() is CheckResult.UNSETTLED
    assert listener.names == ["reloaded"]


def test_the_same_content_in_another_file(cache: CertificateCTLCache, path: Path, tokenless: bytes) -> None:
    """A file that is replaced by the same content has not changed."""
    path.write_bytes(tokenless)
    cache.load()
    write_atomically(path, tokenless)
    os.utime(path, (1, 1))
    assert cache.check() is CheckResult.UNCHANGED


def test_what_is_not_a_file(cache: CertificateCTLCache, path: Path, tokenless: bytes, listener: Listener) -> None:
    """A directory, a FIFO or a circular link in the file's place cannot be read, and does not block."""
    path.write_bytes(tokenless)
    cache.load()
    path.unlink()
    path.mkdir()
    assert settled(cache) is CheckResult.UNREADABLE
    path.rmdir()
    path.symlink_to(path)
    assert settled(cache) is CheckResult.UNREADABLE
    path.unlink()
    os.mkfifo(path)
    assert settled(cache) is CheckResult.UNREADABLE
    assert (cache.state, cache.signature_valid, len(cache)) == (FileState.UNREADABLE, None, 3)
    path.unlink()
    path.write_bytes(tokenless)
    assert cache.check() is CheckResult.RELOADED
    assert listener.names == ["reloaded", "unreadable", "unreadable", "unreadable", "reloaded"]


def test_a_file_that_may_not_be_read(
    cache: CertificateCTLCache, path: Path, tokenless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every error of the system, the index stays in use and the state shows it."""
    path.write_bytes(tokenless)
    cache.load()

    def refuse(*_arguments: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert settled(cache) is CheckResult.UNREADABLE
    assert len(cache) == 3
    monkeypatch.undo()
    assert cache.check() is CheckResult.RELOADED


def test_a_file_that_never_settles(
    cache: CertificateCTLCache, path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    """A file that is written all the time does not delay the start for ever."""

    def write_more(_seconds: float) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(time, "sleep", write_more)
    path.write_bytes(b"some")
    assert not cache.load()
    assert cache.state is FileState.NOT_READ
    assert listener.events == []
