"""Previous own certificates of this node, kept in the state directory with their keys.

``keys/UNIT-ID-PRINT.pem`` is such a certificate: ID names its key, which stays beside it as ``keys/UNIT-ID.key``, PRINT
is the start of its SHA-256. The file is written before the database changes. After a kill in between it holds the
current certificate, which is not a previous one and is left out. Older ones are put aside, see `tvs.cluster.aside`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from certstore.certificate import MAX_FILE_SIZE, Certificate, CertificateError, certificates_in, public_key
from certstore.purposes import Purpose
from ctlcache.keys import load_certificate
from tvs.errors import StateError
from tvs.identity import key_id
from tvs.system.files import read_regular, write_atomically
from tvs.units import MADE_HERE, OF_NODES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from tvs.cluster.situation import Situation
    from tvs.state import StateDirectory

KEPT_CERTIFICATES = 3
"""Most previous certificates of a unit that are kept: each has a key, and a key that exists can be stolen. Older ones
are put aside, and deleted in the end."""
MODE = 0o600
"""Permissions, as of the keys beside them."""
_PRINT = 16
_NAME = r"(?P<unit>.+)-(?P<key>[0-9a-f]{32})-(?P<print>[0-9a-f]{16})\.pem"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCertificate:
    """A certificate that was replaced.

    Attributes:
        unit: its unit.
        certificate: the certificate.
        key_id: names its key, see `tvs.identity.key_id`.
        replaced: when, UTC.
        path: its file.
    """

    unit: Purpose
    certificate: Certificate
    key_id: str
    replaced: datetime
    path: Path


def kept_certificates(state: StateDirectory) -> list[KeptCertificate]:
    """All kept certificates, also those that were put aside, the last replaced first.

    Other files in the directories are left out.
    """
    paths = {path.name: path for folder in (state.unused_keys, state.keys) for path in folder.glob("*.pem")}
    found = [kept for path in paths.values() if (kept := _read(path)) is not None]
    return sorted(found, key=lambda kept: kept.replaced, reverse=True)


def previous_certificates(state: StateDirectory, situation: Situation, unit: Purpose) -> list[KeptCertificate]:
    """This node's certificates of a unit before the current one, the last replaced first."""
    current = situation.own(unit, situation.subscriber)
    return [kept for kept in kept_certificates(state) if kept.unit is unit and kept.certificate.der != current]


def _read(path: Path) -> KeptCertificate | None:
    name = re.fullmatch(_NAME, path.name)
    if name is None or name["unit"] not in MADE_HERE:
        return None
    try:
        (der,) = certificates_in(read_regular(path, MAX_FILE_SIZE), path)
        certificate = Certificate.from_der(der)
        replaced = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (CertificateError, ValueError, OSError):
        return None
    if _print(der) != name["print"]:
        return None
    return KeptCertificate(
        unit=Purpose(name["unit"]), certificate=certificate, key_id=name["key"], replaced=replaced, path=path
    )


def _print(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()[:_PRINT]


def keep_replaced(state: StateDirectory, before: Situation, after: Situation) -> None:
    """Keeps this node's and the cluster's own certificates that a change replaces or removes, if their keys are here.

    A subscriber has the cluster's keys if it was the publisher. What a rollover replaces is kept when it begins: the
    publisher goes on for all nodes. Raises `StateError`.
    """
    rolled = after.rolled if after.rolling != before.rolling else {}
    for unit in MADE_HERE:
        old = before.own(unit, before.subscriber if unit in OF_NODES else None)
        new = after.own(unit, after.subscriber if unit in OF_NODES else None)
        loaded = None if old is None else load_certificate(old)
        if old is None or loaded is None or (old == new and old not in rolled):
            continue
        try:
            key = public_key(loaded)
        except CertificateError:  # of a foreign program; no key here belongs to it
            continue
        if state.key_file(unit, key).exists():
            keep(state.keys, unit, key_id(key), old)


def keep(folder: Path, unit: Purpose, ident: str, der: bytes) -> None:
    """Writes a certificate's file beside its key, which the ID names. Raises `StateError`."""
    path = folder / f"{unit}-{ident}-{_print(der)}.pem"
    try:
        from ssl import DER_cert_to_PEM_cert  # noqa: PLC0415 - plans write nothing

        write_atomically(path, DER_cert_to_PEM_cert(der).encode("ascii"), mode=MODE)
    except OSError as error:
        raise StateError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error


def surplus(kept: Iterable[KeptCertificate], current: Collection[bytes]) -> list[Path]:
    """Files of kept certificates that are current again, and of those beyond `KEPT_CERTIFICATES` of their unit.

    Args:
        kept: all, the last replaced first.
        current: the own certificates, X.509 DER.
    """
    counted: dict[Purpose, int] = {}
    paths = []
    for one in kept:
        if one.certificate.der not in current:
            counted[one.unit] = counted.get(one.unit, 0) + 1
        if one.certificate.der in current or counted[one.unit] > KEPT_CERTIFICATES:
            paths.append(one.path)
    return paths
