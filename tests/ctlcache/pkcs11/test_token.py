"""Tokens as values: made from what the child process reports, found by URI."""

from __future__ import annotations

from typing import Any

import pytest

from ctlcache.pkcs11.token import Token, TokenError, token_from
from ctlcache.pkcs11.uri import TokenUri
from tests.fixtures.certificates import certificate

IDENTITY = {"label": "my token", "serial": "42", "manufacturer": "ACME", "model": "M1"}


def facts(*certificates: tuple[str, bytes, bytes], **flags: bool) -> dict[str, Any]:
    """The report of a token with these certificates: label, id, DER."""
    return {
        "identity": IDENTITY,
        "pin_pad": False,
        "pin_locked": False,
        "pin_final_try": False,
        "certificates": [
            {"label": label, "id": identifier.hex(), "der": der.hex()} for label, identifier, der in certificates
        ],
        **flags,
    }


@pytest.fixture
def token() -> Token:
    """A token with two certificates."""
    one, two = certificate("CN=one", 1), certificate("CN=two", 2)
    return token_from(facts(("first", b"\1", one), ("second", b"\2", two)))


def test_a_reported_token() -> None:
    """A token has the reported names and flags; certificates that cannot be read are left out."""
    made = token_from(facts(("bad", b"\1", b"rubbish"), ("good", b"\2", certificate()), pin_final_try=True))
    assert made.identity == IDENTITY
    assert (made.pin_pad, made.pin_locked, made.pin_final_try) == (False, False, True)
    assert [(item.label, item.id) for item in made.certificates] == [("good", b"\2")]
    assert str(made) == "the token 'my token' (serial number 42)"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pkcs11:token=my%20token", True),
        ("pkcs11:serial=42", True),
        ("pkcs11:token=my%20token;serial=42;manufacturer=ACME;model=M1", True),
        ("pkcs11:token=my", False),
        ("pkcs11:token=my%20token;serial=43", False),
        ("pkcs11:token=my%20token;manufacturer=acme", False),
        ("pkcs11:token=my%20token;model=M2", False),
    ],
)
def test_tokens_that_a_uri_means(token: Token, uri: str, expected: bool) -> None:
    """Every attribute that the URI has must be the token's."""
    assert token.matches(TokenUri.parse(uri)) is expected


def test_uris_of_a_token(token: Token) -> None:
    """The URI of a token, and of a certificate on it, means it again."""
    for item in token.certificates:
        uri = TokenUri.parse(str(token.uri(item)))
        assert token.matches(uri)
        assert token.certificate(uri) == item
    assert str(token.uri()) == "pkcs11:token=my%20token;serial=42"


def test_certificates_on_a_token(token: Token) -> None:
    """A label or an identifier names one certificate; with several or none, the error lists their URIs."""
    first, second = token.certificates
    assert token.certificate(TokenUri(serial="42", object="first")) == first
    assert token.certificate(TokenUri(serial="42", id=b"\2")) == second
    with pytest.raises(TokenError, match=r"shows several certificates, choose one: .*object=first;id=%01 \(CN=one\), "):
        token.certificate(TokenUri(serial="42"))
    with pytest.raises(TokenError, match=r"shows no such certificate; it shows .*object=second;id=%02 \(CN=two\)$"):
        token.certificate(TokenUri(serial="42", object="first", id=b"\2"))
    with pytest.raises(TokenError, match="shows no such certificate; it shows none at all"):
        token_from(facts()).certificate(TokenUri(serial="42"))
