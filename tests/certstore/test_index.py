"""The immutable index: look-ups, equal serial numbers, updates, encoded answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certstore.index import CacheEntry, CertificateIndex, entry_digest
from proto import QueryCertResponse, TrustStatus, encode_payload
from proto.errors import LocalProtocolError
from proto.messages import CertVerificationResponse
from tests.fixtures.certificates import TOKEN_ISSUER, certificate


def _entry(serial: bytes, issuer: str, mark: bytes = b"c", roles: tuple[int, ...] = (0,)) -> CacheEntry:
    return CacheEntry(serial_number=serial, issuer_name=issuer, certificate=mark, roles=roles, time_to_live=60)


def test_answers_are_those_of_the_codec() -> None:
    """The payloads that are encoded in advance are those of the codec, byte for byte."""
    der = certificate()
    entry = CacheEntry(serial_number=b"\0\1", issuer_name="CN=a", certificate=der, roles=[3, 0, 3], time_to_live=7)
    assert (entry.serial_number, entry.roles, entry.certificate) == (b"\1", (0, 3), der)
    status = TrustStatus.TRUSTED
    query = QueryCertResponse(session_id=1, status=status, certificates=(der,), roles=(0, 3), time_to_live=7)
    assert entry.query_payload == encode_payload(query)
    verification = CertVerificationResponse(session_id=1, status=status, roles=(0, 3), time_to_live=7)
    assert entry.verification_payload == encode_payload(verification)


def test_too_large_for_an_answer() -> None:
    """A certificate that an answer cannot carry is refused when the entry is made, not when a phone asks."""
    with pytest.raises(LocalProtocolError, match="65530 bytes does not fit an answer"):
        _entry(b"\1", "CN=a", bytes(65_530))


def test_looking_up() -> None:
    """Leading zeros of serial numbers do not count, and issuers are equal if they mean the same."""
    entry = _entry(b"\0\1\2", TOKEN_ISSUER)
    index = CertificateIndex([entry])
    for serial in (b"\1\2", b"\0\1\2", b"\0\0\1\2"):
        assert index.find(serial, TOKEN_ISSUER) is entry
        assert index.find(serial, 'O="Cisco Systems,CN=Cisco Manufacturing CA') is entry
        assert index.find(serial, "CN=Cisco Manufacturing CA") is None
    assert index.find(b"\1\2\0", TOKEN_ISSUER) is None
    assert index.find(b"", TOKEN_ISSUER) is None


def test_zero() -> None:
    """A serial number of zeros is one zero byte."""
    entry = _entry(b"\0\0", "CN=a")
    assert CertificateIndex([entry]).find(b"\0", "CN=a") is entry


def test_equal_serial_numbers() -> None:
    """Certificates of several authorities with one serial number are told apart, the exact text before the meaning."""
    issuers = ["CN=a;O=x", "O=x;CN=a", "CN=b", ""]
    entries = [_entry(b"\1", issuer) for issuer in issuers]
    index = CertificateIndex([*entries, _entry(b"\2", "CN=a;O=x")])
    assert len(index) == 5
    assert len(list(index)) == 5
    assert [index.find(b"\1", issuer) for issuer in issuers] == entries
    assert index.find(b"\1", 'O="x",CN=a') is entries[0]
    assert index.find(b"\1", ";") is None


def test_the_first_of_twins_is_kept() -> None:
    """Two entries with one identity are one."""
    first = _entry(b"\1", "CN=a", b"first")
    index = CertificateIndex([first, _entry(b"\1", "CN=a", b"second"), _entry(b"\1", "CN=b")])
    assert len(index) == 2
    assert index.find(b"\1", "CN=a") is first


def test_digest_without_an_entry() -> None:
    """The digest of an entry's values is that of the entry, and each value is a part of it."""
    values = {"serial_number": b"\0\1", "issuer_name": "CN=a", "certificate": b"c", "roles": [3, 0], "time_to_live": 7}
    others = {"serial_number": b"\2", "issuer_name": "CN=b", "certificate": b"d", "roles": [3], "time_to_live": 8}
    digest = entry_digest(**values)  # type: ignore[arg-type]
    assert digest == CacheEntry(**values).digest  # type: ignore[arg-type]
    digests = {entry_digest(**(values | {name: other})) for name, other in others.items()}  # type: ignore[arg-type]
    assert len(digests | {digest}) == 6


IDENTITIES = st.tuples(st.sampled_from([b"\1", b"\2", b"\3"]), st.sampled_from(["CN=a", "CN=b", "CN=c"]))


@given(st.sets(IDENTITIES), st.lists(IDENTITIES), st.sets(IDENTITIES))
def test_updates(old: set[tuple[bytes, str]], removed: list[tuple[bytes, str]], new: set[tuple[bytes, str]]) -> None:
    """An updated index equals one of the remaining and new entries; the old one does not change."""
    entries = {identity: _entry(*identity) for identity in sorted(old)}
    added = {identity: _entry(*identity, mark=b"new") for identity in sorted(new)}
    before = CertificateIndex(entries.values())
    after = before.updated(remove=removed, add=added.values())
    expected = {key: entry for key, entry in entries.items() if key not in removed} | added
    assert {(entry.serial_number, entry.issuer_name): entry for entry in after} == expected
    assert len(after) == len(expected)
    assert after.content == CertificateIndex(expected.values()).content
    assert (after.content == before.content) == (expected == entries)
    assert all(after.find(*identity) is entry for identity, entry in expected.items())
    assert {(entry.serial_number, entry.issuer_name): entry for entry in before} == entries
    assert len(before) == len(entries)
