"""PKCS#11 URIs, RFC 7512: those that name a token, and those that are refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctlcache.pkcs11.uri import TokenUri, TokenUriError

TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


def test_all_that_a_uri_can_name() -> None:
    """The attributes of section 2.3 that a signer needs; percent escapes are bytes of UTF-8."""
    uri = TokenUri.parse(
        "pkcs11:token=SAST%20%C3%A9;serial=0054f509;manufacturer=SafeNet;model=eToken%205110;object=cert;id=%01%FF"
        "?module-path=/usr/lib/libeToken.so&pin-source=file:/run/pin"
    )
    assert uri == TokenUri(
        token="SAST é",  # noqa: S106 - a label
        serial="0054f509",
        manufacturer="SafeNet",
        model="eToken 5110",
        object="cert",
        id=b"\x01\xff",
        module_path="/usr/lib/libeToken.so",
        pin_source="file:/run/pin",
    )
    assert uri.pin_file == "/run/pin"


def test_as_another_program_prints_it() -> None:
    """The URI that p11tool (GnuTLS) prints of a certificate names its token."""
    uri = TokenUri.parse(
        "pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=cde43dd9b25ff3f2;token=my%20token;"
        "id=%01;object=my%20key;type=cert"
    )
    assert (uri.token, uri.serial, uri.object, uri.id) == ("my token", "cde43dd9b25ff3f2", "my key", b"\x01")


@pytest.mark.parametrize("source", ["/run/pin", "file:/run/pin", "file:///run/pin"])
def test_the_file_of_the_pin(source: str) -> None:
    """A path, or a file URI in its two forms."""
    assert TokenUri.parse(f"pkcs11:token=a?pin-source={source}").pin_file == "/run/pin"


@pytest.mark.parametrize("source", ["%7C/bin/pin", "pin", "file:pin", "https:%2F%2Fhost%2Fpin"])
def test_other_sources_of_a_pin(source: str) -> None:
    """Programs, relative paths and the network are refused."""
    with pytest.raises(TokenUriError, match="pin-source= must name a file with its whole path"):
        _ = TokenUri.parse(f"pkcs11:token=a?pin-source={source}").pin_file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("token=SAST", "starts with pkcs11:"),
        ("https://pin-value=1234", "starts with pkcs11:"),
        ("pkcs11:", "names its token"),
        ("pkcs11:object=cert;id=%01", "names its token"),
        ("pkcs11:token=", "token= in the token URI is empty"),
        ("pkcs11:token=a;token=b", "token= twice"),
        ("pkcs11:token=a;slot-id=0", "slot numbers change"),
        ("pkcs11:token=a;color=red", "'color' is not an attribute"),
        ("pkcs11:token", "'token' is not an attribute"),
        ("pkcs11:token=a b", "% and two hexadecimal digits"),
        ("pkcs11:token=a%2", "% and two hexadecimal digits"),
        ("pkcs11:token=a%FF", "is not UTF-8"),
        ("pkcs11:token=a%1B[2J", "cannot be printed"),
        ("pkcs11:token=a;type=secret-key", "cert, private or public"),
        ("pkcs11:token=a?pin-value=1234", "a PIN must not stand on a command line"),
        ("pkcs11:token=a;pin-value=1234", "a PIN must not stand on a command line"),
        ("pkcs11:token=a?module-name=softhsm2", "module-path="),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    """Each is refused with its reason, and never with the PIN in it."""
    with pytest.raises(TokenUriError) as refused:
        TokenUri.parse(text)
    assert words in str(refused.value)
    assert "1234" not in str(refused.value)


@given(token=TEXTS, serial=TEXTS, label=TEXTS, identifier=st.binary(min_size=1, max_size=20))
def test_written_and_read_again(token: str, serial: str, label: str, identifier: bytes) -> None:
    """The written URI names the same token and certificate."""
    uri = TokenUri(token=token, serial=serial, object=label, id=identifier)
    assert TokenUri.parse(str(uri)) == uri


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Any text behind the scheme names a token or is refused; nothing else is raised."""
    with contextlib.suppress(TokenUriError):
        uri = TokenUri.parse("pkcs11:" + text)
        assert uri.token or uri.serial
