"""Own certificates by their units, kinds of keys, and names of trust lists, without what makes any of them."""

from __future__ import annotations

from enum import StrEnum

from certstore.purposes import Purpose

CTL_NAME = "CTLFile.tlv"
ITL_NAME = "ITLFile.tlv"
ORGANISATION = "OU=TVS;O=Local"
"""The rest of the subjects of a new cluster's certificates, in CTL text form without CN."""
FIRST_SIGNER = Purpose.ITLRecovery
"""The unit whose key signs the trust lists of a new cluster."""
NEEDED = (Purpose.CallManager, Purpose.TVS, Purpose.CAPF, Purpose.ITLRecovery)
"""Units of own certificates that a cluster cannot be without."""
MADE_HERE = (*NEEDED, Purpose.CallManager_ECDSA)
"""Units whose certificates are made here, with keys in the state directory."""
OF_NODES = (Purpose.CallManager, Purpose.TVS, Purpose.CallManager_ECDSA)
"""Units in which each node has a certificate of its own; the others are the publisher's."""
LIST_SIGNERS = frozenset({Purpose.CallManager, Purpose.ITLRecovery})
"""Units whose keys sign trust lists: RSA keys only."""

ROLLED_OVER = (Purpose.TVS, Purpose.CallManager, Purpose.ITLRecovery)
"""Units whose certificates can be rolled over: those that phones depend on."""


class KeyType(StrEnum):
    """Kinds of private keys. TLS with RSA-4096 costs four times the CPU of a connection with RSA-2048."""

    RSA2048 = "rsa2048"
    RSA4096 = "rsa4096"
    P256 = "p256"


def first_key_type(unit: Purpose) -> KeyType:
    """The kind of key of a unit's first certificate."""
    return KeyType.P256 if unit is Purpose.CallManager_ECDSA else KeyType.RSA2048
