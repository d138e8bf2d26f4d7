"""Trust lists whose signature is still to come: a hardware token signs after everything else was accepted.

An unsigned list has its final length; its SIGNATURE is zeros. What asks whether a certificate's key made the signature
is answered by that key alone: whether it is the signer's. So a plan can be made before the token's PIN is used. Bytes
that were read from a file are never an `UnsignedList`: on a disk the zeros are a bad signature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctlcache.digests import Digest
from ctlcache.errors import SigningError
from ctlcache.model import Header, TrustList, UnsignedList
from ctlcache.trustlist import HeaderTag, parse_trust_list, serialise, signed_bytes
from ctlcache.verification import verify
from proto.tlv import Element

if TYPE_CHECKING:
    from ctlcache.signing import Signer


def sign_list(unsigned: UnsignedList, signer: Signer) -> bytes:
    """The list with its signature, verified. Raises `SigningError`.

    Args:
        unsigned: the list.
        signer: its signer; it signs once.
    """
    trust_list = parse_trust_list(unsigned)
    signature = signer.sign(signed_bytes(trust_list), Digest(trust_list.header.digest))
    elements = tuple(
        Element(HeaderTag.SIGNATURE, signature) if element.tag == HeaderTag.SIGNATURE else element
        for element in trust_list.header.elements
    )
    data = serialise(TrustList(Header(elements), trust_list.records))
    verification = verify(data)
    if not verification.ok:
        raise SigningError(f"the list that was signed does not verify: {verification.sentence}")
    return data
