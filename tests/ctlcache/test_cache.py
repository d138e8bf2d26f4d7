"""The CTL cache: its entries, its trace lines, and the result of each check of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.serials import normal_serial
from ctlcache.builder import build_trust_list
from ctlcache.cache import CertificateCTLCache, CheckResult
from ctlcache.entries import ListEntry
from proto.roles import TrustRole
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.ctlcache.conftest import Listener

PUBLISHER = "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
CAPF = PUBLISHER.replace("cucm-1051-a-pub", "CAPF-e41e7d87")
SUBSCRIBER = PUBLISHER.replace("a-pub", "a-sub1")
REFRESHING = "updateLocalCTLCache : Refreshing the local CTL certificate cache"
MODIFIED = "CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified. Recaching CTL Certificate Cache"


def serial(text: str) -> bytes:
    """A serial number from its hex."""
    return bytes.fromhex(text)


# -- what goes in --------------------------------------------------------------------------------------


def test_entries_of_the_tokenless_file(cache: CertificateCTLCache, path: Path, tokenless: bytes, capf: bytes) -> None:
    """One entry for each certificate; the publisher's, in two records, has both roles."""
    path.write_bytes(tokenless)
    assert cache.load()
    assert len(cache) == 3
    publisher = cache.lookup(serial("70CAF64E090751B9DF22F49F754FC5BB"), PUBLISHER)
    found = cache.lookup(serial("00744B4999770496E799E91E81D3C8109B"), CAPF.replace(";", ","))
    assert publisher is not None
    assert (publisher.roles, publisher.time_to_live) == ((TrustRole.SAST, TrustRole.CCM_TFTP), 86_400)
    assert found is not None
    assert (found.roles, found.certificate) == ((TrustRole.CAPF,), capf)
    assert cache.lookup(serial("05"), PUBLISHER) is None


def test_the_token_that_only_the_ctl_knows(
    cache: CertificateCTLCache, path: Path, with_tokens: bytes, listener: Listener
) -> None:
    """The guide's look-up of an eToken: a key of 61 characters, one role, 0."""
    path.write_bytes(with_tokens)
    cache.load()
    listener.lines.clear()
    issuer = "cn=Cisco Manufacturing CA;o=Cisco Systems"
    assert cache.lookup(serial("83E9080000005545AF31"), issuer, listener.trace) is not None
    prefix = "CertificateCTLCache::getCertificateInformation - "
    assert listener.lines == [
        f"{prefix}Looking up the certificate cache using Unique MAP ID : 83E9080000005545AF31{issuer}, len : 61",
        f"{prefix}Found entry {{rolecount : 1}}",
        f"{prefix}{{role : 0}}",
    ]


def test_the_time_to_live(path: Path, tokenless: bytes) -> None:
    """Entries have the server's default time to live."""
    path.write_bytes(tokenless)
    cache = CertificateCTLCache(path, default_time_to_live=60)
    assert cache.load()
    assert {entry.time_to_live for entry in cache.index} == {60}


# -- trace lines ---------------------------------------------------------------------------------------


def test_the_trace_of_a_changed_file(
    cache: CertificateCTLCache, path: Path, tokenless: bytes, regenerated: bytes, listener: Listener
) -> None:
    """The guide's third scene: four keys with the lengths 93, 93, 91 and 94."""
    path.write_bytes(tokenless)
    cache.load()
    assert listener.lines[0] == REFRESHING
    assert len(listener.lines) == 5
    listener.lines.clear()
    write_atomically(path, regenerated)
    assert cache.check() is CheckResult.RELOADED
    key = "tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: "
    assert listener.lines == [
        MODIFIED,
        REFRESHING,
        f"{key}6B1D357B6841740B078FEE4A1813D5D6{PUBLISHER}, length : 93",
        f"{key}6B1D357B6841740B078FEE4A1813D5D6{PUBLISHER}, length : 93",
        f"{key}744B4999770496E799E91E81D3C8109B{CAPF}, length : 91",
        f"{key}6BEBFDCDCD8CA277CB2FD1D183A60E72{SUBSCRIBER}, length : 94",
    ]


def test_a_cache_without_callbacks(path: Path, tokenless: bytes, regenerated: bytes) -> None:
    """Without trace and events the cache works the same."""
    path.write_bytes(tokenless)
    cache = CertificateCTLCache(path)
    assert cache.load()
    path.write_bytes(regenerated)
    assert cache.check() is CheckResult.RELOADED
    assert cache.generation == 2


def test_a_listener_that_fails(path: Path, tokenless: bytes) -> None:
    """An error in a callback does not keep the list from being used."""

    def fail(_name: str, _fields: dict[str, object]) -> None:
        raise RuntimeError("the listener is broken")

    path.write_bytes(tokenless)
    cache = CertificateCTLCache(path, on_event=fail)
    assert cache.load()


def test_serials_are_compared_without_leading_zeros(
    path: Path, publisher: KeyFileSigner, cache: CertificateCTLCache
) -> None:
    """A phone may ask with zeros before the serial number, and with another order of the issuer."""
    entry = ListEntry(role=TrustRole.SAST, certificate=publisher.certificate)
    path.write_bytes(build_trust_list([entry], publisher, timestamp=0))
    cache.load()
    number = b"\0\0" + serial("70CAF64E090751B9DF22F49F754FC5BB")
    found = cache.lookup(number, ",".join(reversed(PUBLISHER.split(";"))))
    assert found is not None
    assert found.serial_number == normal_serial(number)
