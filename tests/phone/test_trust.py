"""Trust decisions: bytes in, a verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.builder import build_trust_list
from ctlcache.digests import Digest
from ctlcache.entries import ClusterNode, tokenless_ctl_entries
from ctlcache.trustlist import PHONE_LIMIT, parse_trust_list
from proto.roles import TrustRole
from tvs.phone.models import find_model
from tvs.phone.trust import (
    ListKind,
    Refusal,
    Refused,
    check_answer,
    inspect,
    listed_roles,
    signer_among,
    tvs_certificates,
    vouches,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner

    MakeSigner = Callable[..., KeyFileSigner]


def ctl_of(signer: KeyFileSigner, digest: Digest = Digest.SHA1) -> bytes:
    """A CTL that this signer signs for one node."""
    node = ClusterNode(name="node", address="192.0.2.1", call_manager=signer.certificate)
    return build_trust_list(tokenless_ctl_entries([node], capf=None), signer, timestamp=1, digest=digest)


def refusal_of(data: bytes, model: str = "CP-8861") -> Refusal | None:
    """The reason of the refusal of a list by itself."""
    try:
        inspect(data, find_model(model))
    except Refused as refused:
        return refused.refusal
    return None


def test_a_list_must_be_good_by_itself(tokenless: bytes) -> None:
    """Size, form and signature are checked before any installed list."""
    assert refusal_of(tokenless) is None
    assert refusal_of(bytes(PHONE_LIMIT + 1)) is Refusal.TOO_LARGE
    assert refusal_of(tokenless[:-1]) is Refusal.DAMAGED
    assert refusal_of(b"") is Refusal.DAMAGED
    assert refusal_of(tokenless[:-1] + bytes([tokenless[-1] ^ 1])) is Refusal.BAD_SIGNATURE


def test_the_model_must_know_the_digest(regenerated: bytes) -> None:
    """SHA-512 is too new for the 7900 series."""
    assert refusal_of(regenerated, "CP-8861") is None
    assert refusal_of(regenerated, "CP-7975") is Refusal.DIGEST


def test_a_list_vouches_for_its_own_signer_only(tokenless: bytes, regenerated: bytes) -> None:
    """The installed CTL has the signer of the next one, until the signer's certificate is regenerated."""
    installed, other = parse_trust_list(tokenless), parse_trust_list(regenerated)
    assert vouches(installed, installed, ListKind.CTL)
    assert not vouches(installed, other, ListKind.CTL)
    assert not vouches(other, installed, ListKind.CTL)


def test_a_copied_name_does_not_vouch(make_signer: MakeSigner) -> None:
    """A record with the signer's name and serial number, but with another key, verifies nothing."""
    real, forger = (parse_trust_list(ctl_of(make_signer("CN=pub;O=Cisco", "70CA64F2", 2048))) for _ in range(2))
    assert real.header.serial_number == forger.header.serial_number
    assert not vouches(real, forger, ListKind.CTL)


def test_an_answer_needs_the_key_and_the_role(make_signer: MakeSigner) -> None:
    """The certificate must verify the signature, and its roles must hold SAST (0)."""
    signer = make_signer("CN=pub;O=Cisco", "01", 2048)
    other = make_signer("CN=pub;O=Cisco", "01", 2048)
    fetched = parse_trust_list(ctl_of(signer))
    check_answer(fetched, signer.certificate, (0, 2))
    for certificate, roles, refusal in (
        (other.certificate, (0, 2), Refusal.WRONG_CERTIFICATE),
        (None, (0,), Refusal.WRONG_CERTIFICATE),
        (b"not a certificate", (0,), Refusal.WRONG_CERTIFICATE),
        (signer.certificate, (2, 7), Refusal.NOT_SAST),
        (signer.certificate, (), Refusal.NOT_SAST),
    ):
        with pytest.raises(Refused) as caught:
            check_answer(fetched, certificate, roles)
        assert caught.value.refusal is refusal


def test_the_wanted_certificate_of_an_answer(make_signer: MakeSigner) -> None:
    """By serial number, leading zeros aside; unreadable certificates are passed over."""
    first, second = (make_signer(f"CN=s{serial}", serial, 1024).certificate for serial in ("11", "22"))
    assert signer_among([b"garbage", first, second], b"\x00\x22") == second
    assert signer_among([b"garbage", first], b"\x22") is None


def test_certificates_of_a_list(tokenless: bytes) -> None:
    """A certificate has the roles of its records; a CTL has no TVS record, so it names no TVS server."""
    listed = parse_trust_list(tokenless).records[0].certificate
    assert listed is not None
    assert listed_roles(tokenless, listed) == {TrustRole.SAST, TrustRole.CCM_TFTP}
    assert not listed_roles(tokenless, listed + b"\0")
    assert not listed_roles(None, listed)
    assert not listed_roles(b"damaged", listed)
    assert tvs_certificates(tokenless) == frozenset()
    assert tvs_certificates(b"damaged") == frozenset()
