"""Imports of own certificates, proposed: issued by an authority, or brought with their key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certstore.certificate import Certificate, CertificateError, check_issuer, public_key
from certstore.purposes import Purpose
from ctlcache.keys import load_certificate
from ctlcache.signing import MODULUS_BITS
from proto.text import printable
from tvs.cluster.certificates import NewCertificate, check_unit, own_change, trust_unit
from tvs.cluster.keys import check_publisher
from tvs.errors import StateError
from tvs.identity import CA_SIGNED, SELF_SIGNED
from tvs.units import LIST_SIGNERS, OF_NODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from ctlcache.keyfile import PrivateKey
    from tvs.cluster.change import Change
    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory


def propose_import(
    state: StateDirectory,
    situation: Situation,
    unit: Purpose,
    certificates: Sequence[bytes],
    *,
    key: PrivateKey | None = None,
    node: str | None = None,
) -> Change:
    """An own certificate from a file, and its chain into the unit's trust store.

    Args:
        state: the state directory with the keys.
        situation: the current one.
        unit: one of `MADE_HERE`; for another node than the publisher one of `OF_NODES`.
        certificates: X.509 DER; one is the own certificate, the others its chain.
        key: its private key, if neither the last signing request nor the present certificate has it.
        node: the name of its node; None for this one. Keys of other nodes stay with them.

    Raises `StateError` and `CertificateError`.
    """
    check_unit(unit)
    here = situation.subscriber
    subscriber = here if node is None else _subscriber(situation, node)
    if subscriber is not None and unit not in OF_NODES:
        raise StateError(f"{unit} is the publisher's; nodes have {', '.join(OF_NODES)} certificates of their own")
    if subscriber != here:
        check_publisher(situation)
        leaf, key = certificates[0], None
    elif key is not None:
        leaf = _with_key(certificates, key)
    else:
        leaf, key = _with_known_key(state, unit, certificates)
    chain = tuple(der for der in certificates if der != leaf)
    check_own(unit, leaf, signs=subscriber is None)
    _check_chain(situation, unit, leaf, chain)
    new = NewCertificate(unit=unit, certificate=leaf, key=key, node=subscriber, chain=chain, description=describe(leaf))
    return own_change(state, situation, new, f"import {unit}" + (f" of {subscriber}" if subscriber else ""))


def describe(der: bytes) -> str:
    """The description of an own certificate, as administrators know it."""
    return SELF_SIGNED if is_self_issued(der) else CA_SIGNED


def is_self_issued(der: bytes) -> bool:
    """Whether a certificate (X.509 DER) is signed with its own key."""
    return _issued(der, der)


def _subscriber(situation: Situation, name: str | None) -> str | None:
    """The name of a node that is not the publisher, as the database has it. Raises `StateError`."""
    if name is None:
        return None
    for node in situation.nodes:
        if node.name.lower() == name.lower():
            return None if node.publisher else node.name
    raise StateError(f"there is no node {name}; see: tvs show nodes")


def _with_key(certificates: Sequence[bytes], key: PrivateKey) -> bytes:
    wanted = key.public_key()
    for der in certificates:
        if public_key(_loaded(der)) == wanted:
            return der
    raise StateError("the key belongs to none of the certificates in the file; give the one of the first certificate")


def _with_known_key(state: StateDirectory, unit: Purpose, certificates: Sequence[bytes]) -> tuple[bytes, PrivateKey]:
    for der in certificates:
        if state.key_file(unit, public_key(_loaded(der))).exists():
            return der, state.private_key(unit, der)
    raise StateError(
        f"no key of {unit} belongs to a certificate in the file: have the request signed that "
        f"`tvs set csr gen {unit}` makes, or give the key with --key FILE"
    )


def _loaded(der: bytes) -> x509.Certificate:
    certificate = load_certificate(der)
    if certificate is None:
        raise CertificateError("the file holds a certificate that cannot be read")
    return certificate


def check_own(unit: Purpose, der: bytes, *, signs: bool) -> None:
    """Raises `StateError` or `CertificateError` for a certificate that cannot be an own one of a unit.

    Args:
        unit: the unit.
        der: the certificate.
        signs: whether its key is here, so that it signs trust lists if the unit's does.
    """
    check_issuer(Certificate.from_der(der).issuer_name)
    key = public_key(_loaded(der))
    if unit is Purpose.CallManager_ECDSA and not isinstance(key, ec.EllipticCurvePublicKey):
        raise StateError(f"{unit} is for EC certificates; one with an RSA key is imported as {Purpose.CallManager}")
    if signs and unit in LIST_SIGNERS and not (isinstance(key, rsa.RSAPublicKey) and key.key_size in MODULUS_BITS):
        bits = ", ".join(str(bits) for bits in MODULUS_BITS)
        ec_unit = (
            f"; an EC certificate is imported as {Purpose.CallManager_ECDSA}" if unit is Purpose.CallManager else ""
        )
        raise StateError(f"{unit} signs trust lists: its key must be RSA with {bits} bits{ec_unit}")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise StateError(f"{unit}: phones know RSA and EC keys only")
    if unit is Purpose.TVS:
        _check_shown(_loaded(der))


def _check_shown(certificate: x509.Certificate) -> None:
    from tvs.tls.contexts import check_shown  # noqa: PLC0415 - TLS is for those who import a TVS certificate

    try:
        check_shown(certificate)
    except ValueError as error:
        raise StateError(f"TVS: the service could not show this certificate to phones: {error}") from error


def _check_chain(situation: Situation, unit: Purpose, leaf: bytes, chain: Sequence[bytes]) -> None:
    """Each certificate's issuer is in the file or in the unit's trust store, up to one that issued itself."""
    trust = trust_unit(unit)
    known = [*chain, *(entry.certificate.der for entry in situation.entries if entry.unit is trust)]
    current = leaf
    for _ in range(len(known) + 1):
        if _issued(current, current):
            return
        issuer = next((der for der in known if _issued(current, der)), None)
        if issuer is None:
            break
        current = issuer
    missing = printable(_loaded(current).issuer.rfc4514_string())
    raise StateError(
        f"the certificate's issuer {missing} is neither in the file nor in {trust}: put the chain into the file, "
        f"or import it first with: tvs set cert import trust {trust} FILE"
    )


def _issued(der: bytes, issuer: bytes) -> bool:
    try:
        _loaded(der).verify_directly_issued_by(_loaded(issuer))
    except Exception:  # noqa: BLE001 - other names, other keys, unknown algorithms: it did not
        return False
    return True
