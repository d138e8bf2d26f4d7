"""Many certificates for a large store: copies of one real certificate with other names and serial numbers.

Its signature does not fit the copies. The service does not verify it: administrators vouch for what they import.
"""

from __future__ import annotations

import datetime
import hashlib
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from certstore.changes import NewCertificate
from certstore.opening import open_store
from certstore.purposes import find_purpose
from tvs.identity import make_key, self_signed
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from certstore.store import CertificateStore

UNIT = find_purpose("Phone-SAST-trust")
_DIGITS = 10
_NAME = "0" * _DIGITS
_BATCH = 20_000
"""Imports of one transaction."""


def certificates() -> Iterator[bytes]:
    """X.509 DER without end, each with its own subject, issuer (the same) and serial number."""
    template = self_signed(
        make_key(KeyType.RSA2048),
        f"CN=SAST-ADN{_NAME};OU=IPCBU;O=Cisco Systems",
        host="sast",
        address=None,
        validity=datetime.timedelta(days=3650),
    )
    der = template.public_bytes(Encoding.DER)
    serial = template.serial_number.to_bytes((template.serial_number.bit_length() + 7) // 8)
    before, after = der.split(serial, 1)
    number = 0
    while True:
        number += 1
        name = f"{number:0{_DIGITS}}".encode()
        other = hashlib.sha256(name).digest()[: len(serial)]
        other = bytes([serial[0], *other[1:]])  # a first byte of the same sign
        yield before + other + after.replace(_NAME.encode(), name)


def fill(state: Path, source: Iterator[bytes], count: int) -> list[bytes]:
    """Imports so many certificates into a state directory's store; gives them."""
    with closing(open_store(str(state / "tvs.db"))) as store:
        return fill_store(store, source, count)


def fill_store(store: CertificateStore, source: Iterator[bytes], count: int) -> list[bytes]:
    """Imports so many certificates into a store; gives them."""
    added: list[bytes] = []
    while len(added) < count:
        batch = list(islice(source, min(_BATCH, count - len(added))))
        store.import_certificates([NewCertificate(der=der, unit=UNIT) for der in batch])
        added += batch
    return added
