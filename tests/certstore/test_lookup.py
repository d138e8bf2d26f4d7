"""Look-ups in a cache: entries, comparisons, trace lines, swaps."""

from __future__ import annotations

import pytest

from certstore.index import CacheEntry, CertificateIndex
from certstore.lookup import CertificateCache
from certstore.lookup import CertificateCache as Base

ISSUER = "CN=a;O=b"


class Cache(Base):
    """A cache with the class name of the CTL cache, whose look-up line has the key's length."""

    trace_class = "CertificateCTLCache"
    trace_length = True


class Plain(Base):
    """A cache with the class name of the database cache."""

    trace_class = "CertificateDBCACHE"


class Lines(list[str]):
    """Trace lines."""

    def __call__(self, event: str, text: str, /, **_fields: object) -> None:
        assert event.isidentifier()
        self.append(text)


def index(*roles: int) -> CertificateIndex:
    """An index of one certificate."""
    entry = CacheEntry(serial_number=b"\5", issuer_name=ISSUER, certificate=b"der", roles=roles, time_to_live=60)
    return CertificateIndex([entry])


@pytest.fixture
def cache() -> Cache:
    """A cache with one certificate of two roles."""
    made = Cache()
    made.swap(index(2, 0))
    return made


def test_an_empty_cache() -> None:
    """A new cache is empty and was not loaded."""
    made = Plain()
    assert isinstance(made, CertificateCache)
    assert (len(made), made.loaded, made.generation, made.lookup(b"\5", ISSUER)) == (0, False, 0, None)


def test_swaps(cache: Cache) -> None:
    """Each swap replaces the index as a whole and counts, also one to an empty index."""
    assert (len(cache), cache.loaded, cache.generation) == (1, True, 1)
    cache.swap(CertificateIndex())
    assert (len(cache), cache.loaded, cache.generation) == (0, True, 2)


def test_an_entry_is_found(cache: Cache) -> None:
    """The entry comes back, and the trace has the key with its length, the number of roles and each role."""
    lines = Lines()
    entry = cache.lookup(b"\0\5", ISSUER, lines)
    assert entry is cache.lookup(b"\5", "O=b,CN=a")
    assert entry is not None
    prefix = "CertificateCTLCache::getCertificateInformation - "
    assert lines == [
        f"{prefix}Looking up the certificate cache using Unique MAP ID : 05{ISSUER}, len : 10",
        f"{prefix}Found entry {{rolecount : 2}}",
        f"{prefix}{{role : 0}}",
        f"{prefix}{{role : 2}}",
    ]


def test_an_entry_is_not_found() -> None:
    """A miss is an ERROR line; the database cache's look-up line ends without a length."""
    lines = Lines()
    assert Plain().lookup(b"\5", ISSUER, lines) is None
    prefix = "CertificateDBCACHE::getCertificateInformation - "
    assert lines == [
        f"{prefix}Looking up the certificate cache using Unique MAP ID : 05{ISSUER}",
        f"ERROR:{prefix}Cannot find the certificate in the cache",
    ]


@pytest.mark.parametrize(
    ("certificate", "equal", "expected"),
    [
        (b"der", True, ["{}Certificate compare return =0", "{}Certificate found and equal"]),
        (b"other", False, ["{}Certificate compare return =1", "ERROR:{}Certificate found but not equal"]),
    ],
)
def test_certificates_are_compared(cache: Cache, certificate: bytes, equal: bool, expected: list[str]) -> None:
    """A comparison gives the entry and whether the bytes are equal, and traces both."""
    lines = Lines()
    entry, same = cache.compare(b"\5", ISSUER, certificate, lines)
    assert (entry, same) == (cache.lookup(b"\5", ISSUER), equal)
    assert lines[1:] == [line.format("CertificateCTLCache::getCertificateInformation - ") for line in expected]


def test_nothing_to_compare_with(cache: Cache) -> None:
    """A comparison with a certificate that is not there is a miss."""
    lines = Lines()
    assert cache.compare(b"\6", ISSUER, b"der", lines) == (None, False)
    assert lines[-1].startswith("ERROR:CertificateCTLCache::getCertificateInformation - Cannot find")
    assert cache.compare(b"\6", ISSUER, b"der") == (None, False)
