"""Trust decisions of a phone about a trust list: the list itself, the installed lists, an answer of TVS.

Pure functions: bytes in, a verdict out.
"""

from __future__ import annotations

import functools
from enum import StrEnum
from typing import TYPE_CHECKING

from certstore.certificate import Certificate, CertificateError
from certstore.names import same_name
from certstore.serials import normal_serial
from ctlcache.digests import Digest
from ctlcache.keys import certificate_key, element_key
from ctlcache.trustlist import PHONE_LIMIT
from ctlcache.verification import Reason, Verification, verify, verify_with
from proto.roles import TrustRole, role_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from ctlcache.trustlist import Record, TrustList
    from tvs.phone.models import PhoneModel

REMEMBERED = 32
"""Cached verdicts of each kind: thousands of phones in one process check the same few lists."""


class ListKind(StrEnum):
    """The two trust lists."""

    CTL = "CTL"
    ITL = "ITL"

    @property
    def file_name(self) -> str:
        """Name of the file for all phones, such as ``CTLFile.tlv``."""
        return f"{self}File.tlv"

    @property
    def signer_roles(self) -> frozenset[TrustRole]:
        """Roles, one of which an installed list must give the signer of a fetched list.

        A security token (SAST) signs a CTL. The TFTP server that made an ITL signs it; a CTL of hardware tokens lists
        that server as CCM+TFTP only, and every CTL lists the cluster's other TFTP servers so.
        """
        return _SIGNER_ROLES[self]


_SIGNER_ROLES = {
    ListKind.CTL: frozenset({TrustRole.SAST}),
    ListKind.ITL: frozenset({TrustRole.SAST, TrustRole.CCM_TFTP, TrustRole.TFTP}),
}
SERVICE_ROLES = frozenset({TrustRole.APP_SERVER})
"""Roles, one of which an HTTPS service's certificate needs in an installed list or in TVS's answer (inferred)."""


class Voucher(StrEnum):
    """Voucher of a list: a closed set."""

    FIRST = "first"
    """No list was installed, and the first is taken on trust."""
    CTL = "ctl"
    """The installed CTL has its signer."""
    ITL = "itl"
    """The installed ITL has its signer."""
    TVS = "tvs"
    """A TVS server, or its answer in the phone's cache."""


class Refusal(StrEnum):
    """Reason of a refusal: a closed set."""

    TOO_LARGE = "too_large"
    DAMAGED = "damaged"
    """The bytes are not a trust list."""
    DIGEST = "digest"
    """The model cannot verify its digest."""
    BAD_SIGNATURE = "bad_signature"
    """The signature is not that of the signer that the list names."""
    NOT_SAST = "not_sast"
    """The signer is known, but may not sign trust lists."""
    NO_TVS_SUPPORT = "no_tvs_support"
    """The signer is in no installed list, and the model does not ask TVS."""
    NO_TVS_SERVER = "no_tvs_server"
    """The phone's configuration names no TVS server."""
    NO_TVS_RECORD = "no_tvs_record"
    """The installed ITL has no TVS record, so any server could be an impostor."""
    TVS_UNREACHABLE = "tvs_unreachable"
    """No server answered."""
    TVS_UNTRUSTED = "tvs_untrusted"
    """No server answered, and one showed a certificate that is not a TVS record of the installed ITL."""
    UNKNOWN_SIGNER = "unknown_signer"
    """TVS does not know the signer."""
    WRONG_CERTIFICATE = "wrong_certificate"
    """TVS answered with a certificate that did not sign the list."""
    WRONG_ROLE = "wrong_role"
    """TVS trusts the certificate of a service, but not as that of an application server."""


class Refused(Exception):  # noqa: N818 - a verdict
    """Refusal of a list or a certificate.

    Attributes:
        refusal: the reason.
        sentence: explanation for people.
    """

    def __init__(self, refusal: Refusal, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = refusal
        self.sentence = sentence


@functools.lru_cache(maxsize=REMEMBERED, typed=True)  # an unsigned list is equal to its bytes
def verified(data: bytes) -> Verification:
    """Parses a list and verifies its signature with the SAST record that it names."""
    return verify(data)


_REFUSALS = {
    Reason.DAMAGED: Refusal.DAMAGED,
    Reason.NO_SIGNER_RECORD: Refusal.NOT_SAST,
    Reason.NOT_SAST: Refusal.NOT_SAST,
}


def inspect(data: bytes, model: PhoneModel) -> TrustList:
    """Parses a list and checks it by itself, as the model can. Raises `Refused`.

    The list must contain its signer as SAST, with the key that signed it (``ctl-file``: 'a file is good only if').
    """
    if len(data) > PHONE_LIMIT:
        raise Refused(Refusal.TOO_LARGE, f"phones load trust lists of up to {PHONE_LIMIT} bytes; this one has more")
    verification = verified(data)
    trust_list = verification.trust_list
    if trust_list is None:
        raise Refused(Refusal.DAMAGED, verification.sentence)
    if trust_list.header.digest not in model.facts.digests:
        known = ", ".join(digest.name for digest in sorted(model.facts.digests))
        raise Refused(
            Refusal.DIGEST, f"it is signed with {_digest_name(trust_list.header.digest)}; {model.name} knows {known}"
        )
    if not verification.ok:
        raise Refused(_REFUSALS.get(verification.reason, Refusal.BAD_SIGNATURE), verification.sentence)
    return trust_list


def _digest_name(code: int) -> str:
    try:
        return Digest(code).name
    except ValueError:
        return f"the unknown digest {code}"


@functools.lru_cache(maxsize=REMEMBERED)
def vouches(installed: TrustList, fetched: TrustList, kind: ListKind) -> bool:
    """Whether an installed list has the signer of a fetched list, in a signing role, with the key of the signature.

    Args:
        installed: a list of the phone.
        fetched: a list that passed `inspect`.
        kind: kind by the name of the file, whatever the list says of itself.
    """
    header = fetched.header
    serial = normal_serial(header.serial_number)
    return any(
        record.function in kind.signer_roles
        and record.serial_number
        and normal_serial(record.serial_number) == serial
        and same_name(record.issuer_name, header.ca_name)
        and _signed(fetched, record)
        for record in installed.records
    )


def _signed(fetched: TrustList, record: Record) -> bool:
    """Verifies with the record's certificate; a record with a key only must have the key of the list's own signer."""
    if record.certificate is not None:
        return _signed_with(fetched, record.certificate)
    own = fetched.signer_record
    key = None if own is None else _record_key(own)
    given = _record_key(record)
    return key is not None and given is not None and key.public_numbers() == given.public_numbers()


@functools.lru_cache(maxsize=REMEMBERED)
def _signed_with(fetched: TrustList, certificate: bytes) -> bool:
    return verify_with(fetched, certificate).ok


def _record_key(record: Record) -> RSAPublicKey | None:
    if record.certificate is not None:
        return certificate_key(record.certificate)
    return None if record.public_key is None else element_key(record.public_key)


def signer_among(certificates: Iterable[bytes], serial_number: bytes) -> bytes | None:
    """The certificate with this serial number; an answer may carry several certificates."""
    wanted = normal_serial(serial_number)
    return next((certificate for certificate in certificates if _serial_of(certificate) == wanted), None)


@functools.lru_cache(maxsize=REMEMBERED)
def _serial_of(certificate: bytes) -> bytes | None:
    """Serial number without leading zeros; None for an unreadable certificate."""
    try:
        return normal_serial(Certificate.from_der(certificate).serial_number)
    except CertificateError:
        return None


def check_answer(fetched: TrustList, certificate: bytes | None, roles: Iterable[int]) -> None:
    """Raises `Refused` unless TVS's answer about the signer makes the list trusted."""
    if certificate is None or not _signed_with(fetched, certificate):
        raise Refused(
            Refusal.WRONG_CERTIFICATE, "its signature does not match the certificate that TVS has for its signer"
        )
    if TrustRole.SAST not in roles:
        raise Refused(Refusal.NOT_SAST, "TVS knows its signer, but not as a System Administrator Security Token")


@functools.lru_cache(maxsize=REMEMBERED)
def tvs_certificates(itl: bytes) -> frozenset[bytes]:
    """Certificates of an ITL's TVS records: the only servers that a phone trusts."""
    trust_list = verified(itl).trust_list
    records = () if trust_list is None else trust_list.records
    return frozenset(r.certificate for r in records if r.function == TrustRole.TVS and r.certificate is not None)


def listed_roles(data: bytes | None, certificate: bytes) -> frozenset[int]:
    """Role codes that an installed list gives exactly this certificate; empty if the list does not have it."""
    trust_list = None if data is None else verified(data).trust_list
    records = () if trust_list is None else trust_list.records
    return frozenset(record.function for record in records if record.certificate == certificate)


def role_names(roles: Iterable[int]) -> str:
    """Role codes as administrators know them, ascending, such as ``SAST and CCM+TFTP``."""
    return " and ".join(role_name(role) for role in sorted(set(roles))) or "nothing"
