"""Files with the names, serials, key and certificate sizes of the guide have the guide's lengths, to the byte."""

from __future__ import annotations

from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole

SAST, CCM_TFTP, CAPF = TrustRole.SAST, TrustRole.CCM_TFTP, TrustRole.CAPF


def test_the_tokenless_file(tokenless: bytes) -> None:
    """The CTL that a 1024-bit CallManager signs: 336 + 1156 + 1156 + 1138 + 1161 = 4947."""
    parsed = parse_trust_list(tokenless)
    assert parsed.header.header_length == 336
    assert [record.length for record in parsed.records] == [1156, 1156, 1138, 1161]
    assert [record.function for record in parsed.records] == [SAST, CCM_TFTP, CAPF, CCM_TFTP]
    assert len(tokenless) == 4947


def test_the_regenerated_file(regenerated: bytes) -> None:
    """After the regeneration with 2048 bits: 464 + 1675 + 1675 + 1138 + 1161 = 6113."""
    parsed = parse_trust_list(regenerated)
    assert parsed.header.header_length == 464
    assert [record.length for record in parsed.records] == [1675, 1675, 1138, 1161]
    assert len(regenerated) == 6113


def test_the_file_with_tokens(with_tokens: bytes) -> None:
    """With eTokens: no SIGNATURE elements, addresses as DNSNAME, tokens first and last, 5728 in all."""
    parsed = parse_trust_list(with_tokens)
    assert parsed.header.header_length == 304
    assert [record.length for record in parsed.records] == [1186, 1022, 1004, 1026, 1186]
    assert [record.function for record in parsed.records] == [SAST, CCM_TFTP, CAPF, CCM_TFTP, SAST]
    assert [record.dns_name for record in parsed.records[:2]] == ["", "10.48.47.153"]
    assert {record.signature for record in parsed.records} == {None}
    assert len(with_tokens) == 5728


def test_certificate_sizes(tokenless: bytes, regenerated: bytes, with_tokens: bytes) -> None:
    """The sums above hold because the certificates have the guide's own sizes."""
    sizes = {
        len(record.certificate or b"")
        for data in (tokenless, regenerated, with_tokens)
        for record in parse_trust_list(data).records
    }
    assert sizes == {694, 680, 696, 955, 902}


def test_what_the_header_says(tokenless: bytes) -> None:
    """Every property of the header has the value that was written."""
    header = parse_trust_list(tokenless).header
    assert header.version == (1, 2)
    assert header.signer_name == header.ca_name == "CN=cucm-1051-a-pub;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
    assert header.serial_number.hex().upper() == "70CAF64E090751B9DF22F49F754FC5BB"
    assert (header.digest, header.signature_algorithm, header.signature_modulus) == (1, 0, 1)
    assert len(header.signature) == 128
    assert header.file_name == "CTLFile.tlv"
    assert header.timestamp == 1_425_667_513


def test_what_a_record_says(tokenless: bytes, subscriber: bytes) -> None:
    """Every property of a record has the value that was written."""
    record = parse_trust_list(tokenless).records[3]
    assert record.offset == 4947 - 1161
    assert record.dns_name == "cucm-1051-a-sub1"
    assert record.subject_name == record.issuer_name
    assert record.subject_name.startswith("CN=cucm-1051-a-sub1;OU=TAC")
    assert record.serial_number.hex().upper() == "6BEBFDCDCD8CA277CB2FD1D183A60E72"
    assert len(record.public_key or b"") == 140
    assert record.signature == subscriber[-128:]
    assert record.certificate == subscriber
    assert record.ip_address == "10.48.47.154"
    assert record.certificate_hash is None
    assert record.hash_algorithm is None
