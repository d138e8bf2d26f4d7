"""Tokens in a CTL file: names of eTokens, records, and the tokens of the next list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.entries import ListEntry, token_entry
from ctlcache.tokens import (
    etoken_name,
    held_tokens,
    is_etoken,
    is_token_record,
    token_record,
    with_tokens,
)
from ctlcache.trustlist import parse_trust_list
from tests.fixtures.certificates import certificate

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner

MANUFACTURER = "CN=Cisco Manufacturing CA;O=Cisco Systems"
WRITTEN = "cn=Cisco Manufacturing CA;o=Cisco Systems"


def test_names_of_other_tokens(publisher: KeyFileSigner) -> None:
    """Only eTokens have the CTL Client's spelling; other tokens have their certificates' names."""
    record = token_record(publisher.certificate)
    assert (record.subject_name, record.issuer_name, record.dns_name) == (None, None, "")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (
            "CN=SAST-ADN008580ef        ;OU=IPCBU;O=Cisco Systems, Inc.",
            'cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems',
        ),
        (MANUFACTURER, WRITTEN),
        ("CN= a", 'cn=" a"'),
        ("CN=plain", "cn=plain"),
        ("", ""),
    ],
)
def test_names_as_the_ctl_client_writes_them(name: str, written: str) -> None:
    """The names of published files come out as published, with their odd quotes."""
    assert etoken_name(name) == written


@pytest.mark.parametrize(
    ("subject", "issuer", "expected"),
    [
        ('cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems', WRITTEN, True),
        ("cn=SAST-ADN0054f509", WRITTEN, True),
        ("cn=SAST-ADN0054f509", "cn=Cisco Manufacturing CA", False),
        ("cn=ADN0054f509", WRITTEN, False),
    ],
)
def test_etokens(subject: str, issuer: str, expected: bool) -> None:
    """An eToken has the prefix of Cisco's tokens and Cisco's manufacturing CA as its issuer."""
    assert is_etoken(subject, issuer) is expected


def test_record_of_an_etoken() -> None:
    """An eToken's record has the names that the CTL Client writes."""
    der = certificate("CN=SAST-ADN0054f509;O=Cisco Systems, Inc.", 5, issuer=MANUFACTURER)
    assert token_record(der) == token_entry(
        der,
        subject_name='cn=SAST-ADN0054f509;o="Cisco Systems',
        issuer_name="cn=Cisco Manufacturing CA;o=Cisco Systems",
    )


def test_tokens_of_published_lists(
    request: pytest.FixtureRequest, tokenless: bytes, tokens: tuple[KeyFileSigner, KeyFileSigner]
) -> None:
    """The guide's list with tokens has two, with their names as it writes them; the tokenless one has none."""
    parsed = parse_trust_list(request.getfixturevalue("with_tokens"))
    held = held_tokens(parsed)
    assert [entry.certificate for entry in held] == [token.certificate for token in tokens]
    records = [record for record in parsed.records if is_token_record(record)]
    assert [(entry.subject_name, entry.issuer_name) for entry in held] == [
        (record.subject_name, record.issuer_name) for record in records
    ]
    assert held_tokens(parse_trust_list(tokenless)) == ()


def test_tokens_of_the_next_list() -> None:
    """Present tokens stay with their names, new ones follow, and the signer's is last."""
    first, second, new = (certificate(f"CN={name}", 5) for name in ("first", "second", "new"))
    held = (token_entry(first, subject_name="odd"), token_entry(second))

    def order(*named: bytes) -> list[ListEntry]:
        return list(with_tokens(held, named))

    assert order(second) == [held[0], held[1]]
    assert order(first) == [held[1], held[0]]
    assert order(new, first) == [held[1], token_record(new), held[0]]
    assert order(new, new) == [held[0], held[1], token_record(new)]
    assert list(with_tokens((), [new])) == [token_record(new)]
