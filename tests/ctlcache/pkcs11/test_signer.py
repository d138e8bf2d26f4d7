"""Tokens as signers: their signatures verify, with openssl too; tokens are found by URI; a PIN is tried once."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ctlcache.builder import build_trust_list
from ctlcache.digests import Digest
from ctlcache.entries import token_ctl_entries
from ctlcache.pkcs11.module import TokenModule
from ctlcache.pkcs11.token import TokenError
from ctlcache.pkcs11.uri import TokenUri
from ctlcache.tokens import held_tokens, token_record, with_tokens
from ctlcache.trustlist import parse_trust_list, signed_bytes
from ctlcache.verification import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.entries import ClusterNode
    from ctlcache.pkcs11.module import TokenSigner
    from ctlcache.pkcs11.token import Token
    from tests.ctlcache.pkcs11.conftest import Identity, SoftHsm, Spy
    from tests.fixtures.programs import RequireProgram

    SignerOf = Callable[..., TokenSigner]

SAST = TokenUri.parse("pkcs11:token=SAST")


@pytest.mark.parametrize("digest", Digest)
def test_openssl_verifies_what_a_token_signs(
    digest: Digest,
    softhsm: SoftHsm,
    signer_of: SignerOf,
    module: TokenModule,
    company: Identity,
    tmp_path: Path,
    require_program: RequireProgram,
) -> None:
    """A list signed by a token verifies as on a phone, and with openssl dgst on the signed bytes."""
    softhsm.add("SAST", company)
    signer = signer_of(module, "pkcs11:token=SAST")
    data = build_trust_list([token_record(signer.certificate)], signer, timestamp=1, digest=digest)
    parsed = parse_trust_list(data)
    assert verify(data).ok
    (tmp_path / "signed").write_bytes(signed_bytes(parsed))
    (tmp_path / "signature").write_bytes(parsed.header.signature)
    (tmp_path / "certificate").write_bytes(company.der)
    openssl = require_program("openssl")
    key = subprocess.run(
        [openssl, "x509", "-inform", "DER", "-in", str(tmp_path / "certificate"), "-pubkey", "-noout"],
        capture_output=True,
        check=True,
    )
    (tmp_path / "key").write_bytes(key.stdout)
    command = ["dgst", f"-{digest.name.lower()}", "-verify", str(tmp_path / "key"), "-signature"]
    checked = subprocess.run(
        [openssl, *command, str(tmp_path / "signature"), str(tmp_path / "signed")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout == "Verified OK\n"


def test_the_guides_file_with_tokens(
    softhsm: SoftHsm,
    signer_of: SignerOf,
    module: TokenModule,
    etokens: dict[str, Identity],
    guide_nodes: list[ClusterNode],
    capf: bytes,
) -> None:
    """Two eTokens, the second signs as record 5: 304 + 1186 + 1022 + 1004 + 1026 + 1186 = 5728 bytes."""
    first, second = etokens
    for name, item in etokens.items():
        softhsm.add(name, item)
    tokens = with_tokens([], [etokens[first].der, etokens[second].der])
    signer = signer_of(module, f"pkcs11:token={second}")
    data = build_trust_list(
        token_ctl_entries(tokens, guide_nodes, capf=capf), signer, timestamp=1_425_678_813, record_signature=False
    )
    parsed = parse_trust_list(data)
    assert parsed.header.header_length == 304
    assert [record.length for record in parsed.records] == [1186, 1022, 1004, 1026, 1186]
    assert len(data) == 5728
    assert parsed.records[4].subject_name == 'cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems'
    assert parsed.records[4].issuer_name == "cn=Cisco Manufacturing CA;o=Cisco Systems"
    assert parsed.records[4].serial_number.hex().upper() == "83E9080000005545AF31"
    assert parsed.signer_record is parsed.records[4]
    assert held_tokens(parsed) == tokens


def test_a_token_by_label_or_serial_number(
    softhsm: SoftHsm, signer_of: SignerOf, module: TokenModule, company: Identity
) -> None:
    """Either names the token; of two tokens with one label the serial number decides."""
    wrong, right = softhsm.add("twin"), softhsm.add("twin", company)
    assert module.find(TokenUri(serial=right)).label == "twin"
    assert signer_of(module, f"pkcs11:serial={right}").certificate == company.der
    with pytest.raises(TokenError, match="means 2 tokens: add serial=") as refused:
        module.find(TokenUri.parse("pkcs11:token=twin"))
    assert wrong in str(refused.value)
    assert right in str(refused.value)


def test_no_such_token(softhsm: SoftHsm, module: TokenModule) -> None:
    """The error names the present tokens."""
    with pytest.raises(TokenError, match=r"no such token; .* shows no token at all"):
        module.find(SAST)
    serial = softhsm.add("other one")
    with TokenModule(softhsm.module) as again, pytest.raises(TokenError) as refused:
        again.find(SAST)
    assert f"pkcs11:token=other%20one;serial={serial}" in str(refused.value)


def test_a_certificate_by_label_or_id(
    softhsm: SoftHsm, signer_of: SignerOf, module: TokenModule, etokens: dict[str, Identity]
) -> None:
    """A token with several certificates needs object= or id=; the error shows the URI of each."""
    first, second = etokens.values()
    serial = softhsm.add("SAST", first, second)
    assert signer_of(module, "pkcs11:token=SAST;id=%02").certificate == second.der
    assert signer_of(module, "pkcs11:token=SAST;object=SAST%2001").certificate == first.der
    with pytest.raises(TokenError, match="several certificates, choose one") as refused:
        signer_of(module, "pkcs11:token=SAST")
    assert f"pkcs11:token=SAST;serial={serial};object=SAST%2002;id=%02" in str(refused.value)
    with pytest.raises(TokenError, match="shows no such certificate; it shows pkcs11:"):
        signer_of(module, "pkcs11:token=SAST;id=%03")


def test_a_token_without_a_certificate(softhsm: SoftHsm, signer_of: SignerOf, module: TokenModule) -> None:
    """Without a certificate there is an error, and a PIN is not asked for."""
    softhsm.add("empty")
    with pytest.raises(TokenError, match=r"the token 'empty' .* shows no such certificate; it shows none at all"):
        signer_of(module, "pkcs11:token=empty")


def test_a_wrong_pin_is_tried_once(softhsm: SoftHsm, signer_of: SignerOf, company: Identity, spy: Spy) -> None:
    """OpenSC's spy between us and the token sees one login; the token remembers a wrong PIN."""
    softhsm.add("SAST", company)
    assert "PIN count low" not in softhsm.flags("SAST")
    with TokenModule(spy.module) as module, pytest.raises(TokenError, match="the PIN is wrong; it was tried once"):
        signer_of(module, "pkcs11:token=SAST", pin="0000-wrong")
    assert spy.calls("C_Login") == 1
    assert "CKR_PIN_INCORRECT" in spy.log.read_text()
    assert "user PIN count low" in softhsm.flags("SAST")


def test_what_a_token_is_asked(softhsm: SoftHsm, signer_of: SignerOf, company: Identity, spy: Spy) -> None:
    """OpenSC's spy sees one login and one signature with CKM_RSA_PKCS; the private key is not read."""
    softhsm.add("SAST", company)
    with TokenModule(spy.module) as module:
        signer_of(module, "pkcs11:token=SAST").sign(b"data", Digest.SHA512)
    seen = spy.log.read_text()
    assert spy.calls("C_Login") == 1
    assert spy.calls("C_SignInit") == 1
    assert re.search(r"C_SignInit\n(?:.*\n){1,5}.*CKM_RSA_PKCS\b", seen)
    for secret in ("CKA_PRIVATE_EXPONENT", "CKA_PRIME_1", "CKA_PRIME_2", "CKA_EXPONENT_1", "C_WrapKey"):
        assert secret not in seen


def test_no_pin_where_others_see_it(
    softhsm: SoftHsm, signer_of: SignerOf, module: TokenModule, company: Identity
) -> None:
    """The PIN is neither among the arguments nor in the environment of the child."""
    softhsm.add("SAST", company)
    signer_of(module, "pkcs11:token=SAST").sign(b"data", Digest.SHA1)
    process = Path("/proc") / str(module._process.pid)
    for place in ("cmdline", "environ"):
        assert softhsm.pin.encode() not in (process / place).read_bytes()
    assert re.search(r"^Max core file size +[01] +[01] ", (process / "limits").read_text(), re.MULTILINE)


def test_a_token_that_is_pulled_before_it_signs(
    softhsm: SoftHsm, signer_of: SignerOf, module: TokenModule, company: Identity
) -> None:
    """Without its slot between login and signature: an error that names the token."""
    serial = softhsm.add("SAST", company)
    signer = signer_of(module, "pkcs11:token=SAST")
    softhsm.remove(serial)
    with pytest.raises(TokenError, match=r"the token 'SAST' .* was removed or its reader has gone: insert it"):
        signer.sign(b"data", Digest.SHA1)


def test_a_token_that_is_pulled_before_the_login(softhsm: SoftHsm, module: TokenModule, company: Identity) -> None:
    """Without its slot while the PIN is typed: an error that names the token."""
    serial = softhsm.add("SAST", company)
    wanted = SAST
    token = module.find(wanted)

    def pull(_: Token) -> str:
        softhsm.remove(serial)
        return softhsm.pin

    with pytest.raises(TokenError, match="the token 'SAST' "):
        module.signer(token, token.certificate(wanted), pull).sign(b"data", Digest.SHA1)


def test_a_key_that_is_not_the_certificates(
    softhsm: SoftHsm,
    signer_of: SignerOf,
    module: TokenModule,
    company: Identity,
    etokens: dict[str, Identity],
    make_etoken: Callable[..., Identity],
) -> None:
    """A key that belongs to another certificate is an error."""
    softhsm.add("SAST", company, key=make_etoken("SAST-other"))
    with pytest.raises(TokenError, match="does not verify with its certificate"):
        signer_of(module, "pkcs11:token=SAST").sign(b"data", Digest.SHA1)


def test_a_key_that_the_format_does_not_know(
    softhsm: SoftHsm, module: TokenModule, make_etoken: Callable[..., Identity]
) -> None:
    """3072 bits do not exist in the format: refused before a PIN is asked for."""
    softhsm.add("SAST", make_etoken("SAST-3072", bits=3072))
    wanted = SAST
    token = module.find(wanted)
    with pytest.raises(TokenError, match="a key of 3072 bits; trust lists are signed with RSA keys of 512, 1024"):
        module.signer(token, token.certificate(wanted), lambda _: pytest.fail("a PIN was asked for"))


def test_a_key_too_small_for_the_digest(
    softhsm: SoftHsm, signer_of: SignerOf, module: TokenModule, make_etoken: Callable[..., Identity]
) -> None:
    """A signature with SHA-512 does not fit 512 bits: a sentence, and SHA-1 still works."""
    softhsm.add("SAST", make_etoken("SAST-512", bits=1024))
    signer = signer_of(module, "pkcs11:token=SAST")
    signer.key_bits = 512
    with pytest.raises(TokenError, match="its key of 512 bits is too small for SHA512"):
        signer.sign(b"data", Digest.SHA512)
    assert len(signer.sign(b"data", Digest.SHA1)) == 128


def test_the_default_module(softhsm: SoftHsm, signer_of: SignerOf, company: Identity) -> None:
    """Without a module p11-kit shows the tokens of all modules that are registered on the machine."""
    if not any(Path("/usr").glob("lib*/**/libp11-kit.so.0")):
        pytest.skip("p11-kit is not installed")
    serial = softhsm.add("SAST", company)
    with TokenModule() as module:
        signer = signer_of(module, f"pkcs11:serial={serial}")
        assert len(signer.sign(b"data", Digest.SHA256)) == 256


# -- the PIN's file ------------------------------------------------------------------------------------


# -- tokens that are about to lock, and names ----------------------------------------------------------


def test_a_locked_token(softhsm: SoftHsm, module: TokenModule, company: Identity) -> None:
    """A token whose PIN is locked is not tried."""
    softhsm.add("SAST", company)
    token = replace(module.find(SAST), pin_locked=True)
    with pytest.raises(TokenError, match="its PIN is locked: unlock it with its vendor's program"):
        module.signer(token, token.certificate(SAST), lambda _: pytest.fail("a PIN was asked for"))
