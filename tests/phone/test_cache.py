"""The cache of TVS answers."""

from __future__ import annotations

from tvs.phone.cache import MAX_ENTRIES, AnswerCache, CachedAnswer


def answer(number: int, *, expires: float = 100.0, certificate: bytes = b"der") -> CachedAnswer:
    """An answer about a serial number."""
    return CachedAnswer(
        serial_number=number.to_bytes(4), issuer_name="CN=a", certificate=certificate, roles=(0,), expires=expires
    )


def test_an_answer_is_found_until_it_expires() -> None:
    """By serial number, leading zeros aside, and issuer; by certificate too."""
    cache = AnswerCache([answer(7)])
    assert cache.find(b"\x07", "CN=a", 99.9) == answer(7)
    assert cache.find_certificate(b"der", 99.9) == answer(7)
    assert cache.find(b"\x07", "CN=a", 100.0) is None
    assert cache.find_certificate(b"der", 100.0) is None
    assert cache.find(b"\x07", "CN=b", 0.0) is None
    assert cache.find(b"\x08", "CN=a", 0.0) is None


def test_a_new_answer_replaces_the_old_one() -> None:
    """Two answers about one identity are never kept."""
    cache = AnswerCache([answer(7)])
    cache.put(answer(7, certificate=b"new"))
    assert [entry.certificate for entry in cache] == [b"new"]


def test_the_cache_is_bounded() -> None:
    """The answer that would expire first is evicted."""
    cache = AnswerCache(answer(number, expires=1000.0 + number) for number in range(1, MAX_ENTRIES + 1))
    cache.put(answer(0, expires=9000.0))
    assert len(cache) == MAX_ENTRIES
    assert cache.find((1).to_bytes(4), "CN=a", 0.0) is None
    assert cache.find((2).to_bytes(4), "CN=a", 0.0) is not None
    cache.flush()
    assert len(cache) == 0
