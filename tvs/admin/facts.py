"""Facts of `/status.json` that are read from the state directory: trust lists, own certificates, what is presented."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from certstore.purposes import Purpose
from ctlcache.files import read_snapshot
from ctlcache.reportjson import report_json
from proto.text import printable
from tvs.admin.database import DatabaseFacts
from tvs.admin.expiry import signer_end
from tvs.client.trust import ServerTrust
from tvs.status.observed import MAX_TEXT
from tvs.status.report import ListReport, OwnCertificate, Presented

if TYPE_CHECKING:
    from pathlib import Path

    from certstore.store import StoreEntry
    from tvs.state import StateDirectory
    from tvs.status.model import ServiceStatus

_DAY = 86_400


class StateFacts(NamedTuple):
    """What the state directory shows at one moment.

    Attributes:
        lists: the CTL and the ITL file.
        certificates: the own certificates; empty while the database cannot be read.
        presented: the certificate that phones are presented, compared with both.
    """

    lists: tuple[ListReport, ...]
    certificates: tuple[OwnCertificate, ...]
    presented: Presented


def read_state(state: StateDirectory, database: DatabaseFacts | None, service: ServiceStatus, now: float) -> StateFacts:
    """Reads the files, which takes some 10 ms, and adds what is known of the database. `now`: seconds since 1970."""
    entries, trusted, _, in_cluster = database or DatabaseFacts((), {}, (), None)
    lists = tuple(_list_report(path, trusted.get(path.name)) for path in (state.ctl_file, state.itl_file))
    certificates = tuple(_own(entry, service, now) for entry in entries)
    ours = [found.presented for found in certificates if found.presented is not None]
    presented = Presented(
        sha256=service.fingerprint,
        not_after=next(iter(service.presented.values()), None),
        in_database=any(ours) if certificates else None,
        in_itl=_in_itl(state.itl_file, service.fingerprint),
        in_cluster=None if in_cluster is False and any(ours) else in_cluster,  # a lost key is not a lost node
    )
    return StateFacts(lists, certificates, presented)


def _list_report(path: Path, trusted: bool | None) -> ListReport:
    """The list in a file, as `tvs show ctl` gives it; `trusted`: whether phones are told that its signer is."""
    try:
        data, modified = read_snapshot(path).data, path.stat().st_mtime
    except FileNotFoundError:
        return ListReport(name=path.name, found=False, verified=False, reason="missing")
    except OSError:
        return ListReport(name=path.name, found=True, verified=False, reason="unreadable")
    facts: dict[str, Any] = report_json(data, kind="CTL" if path.name.startswith("CTL") else "ITL")
    header = facts.get("header", {})
    signer, issuer, serial = (str(header.get(name, ""))[:MAX_TEXT] for name in ("signer", "issuer", "serial_number"))
    return ListReport(
        name=path.name,
        found=True,
        verified=facts["ok"],
        reason=facts["reason"],
        signer=signer,
        issuer=issuer,
        serial=serial,
        digest=str(header.get("digest", "")),
        records=len(facts.get("records", ())),
        sha1=facts["sha1"],
        modified=modified,
        signer_not_after=signer_end(path),
        signer_trusted=trusted,
    )


def _own(entry: StoreEntry, service: ServiceStatus, now: float) -> OwnCertificate:
    certificate, end = entry.certificate, entry.certificate.not_after.timestamp()
    sha256 = hashlib.sha256(certificate.der).hexdigest()
    same = sha256 == service.fingerprint  # the service may know the entry by an earlier name
    ours = entry.unit == Purpose.TVS and (same or entry.name in service.presented)
    return OwnCertificate(
        unit=entry.unit.value,
        name=printable(entry.name)[:MAX_TEXT],
        node=printable(entry.node or "")[:MAX_TEXT],
        subject=printable(certificate.subject_name)[:MAX_TEXT],
        sha256=sha256,
        not_after=end,
        days_left=int((end - now) // _DAY),
        presented=same if ours else None,
    )


def _in_itl(path: Path, fingerprint: str) -> bool | None:
    """Whether a TVS record of the ITL file has the certificate; None without a file that verifies."""
    try:
        servers = ServerTrust.from_file(path).certificates
    except ValueError:
        return None
    return fingerprint in {hashlib.sha256(der).hexdigest() for der in servers} if fingerprint else None
