"""Trust lists for programs: the facts that `show ctl` and `show itl` print, as JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from certstore.serials import serial_text
from ctlcache.report import digest_name, local_time, sha1
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from proto.errors import RemoteProtocolError
from proto.roles import role_name
from proto.text import printable

if TYPE_CHECKING:
    from datetime import datetime

    from ctlcache.report import Kind
    from ctlcache.trustlist import Header, Record


def report_json(data: bytes | None, *, kind: Kind, modified: datetime | float | None = None) -> dict[str, object]:
    """The facts of `ctlcache.report.report`, with the same arguments, as values that JSON has.

    `found` is whether there is a file, `ok` whether it was parsed and verified; `error` has the place of damage,
    `reason` is ``missing`` or a `ctlcache.verification.Reason`.
    """
    if data is None:
        return {"kind": kind, "found": False, "ok": False, "reason": "missing"}
    found: dict[str, object] = {
        "kind": kind,
        "found": True,
        "length": len(data),
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha1": sha1(data).hex(),
        "modified": None if modified is None else local_time(modified).isoformat(),
    }
    try:
        trust_list = parse_trust_list(data)
    except RemoteProtocolError as error:
        place = {"kind": str(error.kind), "reason": printable(error.reason), "offset": error.offset}
        return found | {"ok": False, "reason": "damaged", "error": place}
    verification = verify(trust_list)
    signer = trust_list.signer_record
    return found | {
        "ok": verification.ok,
        "reason": str(verification.reason),
        "header": _header_json(trust_list.header),
        "records": [_record_json(record, signer) for record in trust_list.records],
    }


def _header_json(header: Header) -> dict[str, object]:
    return {
        "version": "{}.{}".format(*header.version),
        "length": header.header_length,
        "signer_version": None if header.signer_version is None else "{}.{}".format(*header.signer_version),
        "signer": printable(header.signer_name),
        "serial_number": serial_text(header.serial_number),
        "issuer": printable(header.ca_name),
        "digest": digest_name(header.digest),
        "signature_algorithm": header.signature_algorithm,
        "signature_modulus": header.signature_modulus,
        "signature": header.signature.hex(),
        "file_name": printable(header.file_name),
        "timestamp": header.timestamp,
    }


def _record_json(record: Record, signer: Record | None) -> dict[str, object]:
    certificate = record.certificate
    return {
        "length": record.length,
        "dns_name": printable(record.dns_name),
        "address": record.ip_address,
        "function": record.function,
        "role": role_name(record.function),
        "subject": printable(record.subject_name),
        "issuer": printable(record.issuer_name),
        "serial_number": serial_text(record.serial_number) if record.serial_number else None,
        "certificate_size": None if certificate is None else len(certificate),
        "certificate_sha1": None if certificate is None else sha1(certificate).hex(),
        "signer": record is signer,
    }
