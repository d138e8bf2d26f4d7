"""Sightings: what one record says of a phone, and how it is added to what was known. Pure functions of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from certstore.devices import MAX_ADDRESSES, Device, Unserved
from proto.messages import MessageType
from proto.roles import TrustRole
from tvs.fleet.names import identity
from tvs.fleet.tally import TRUSTED
from tvs.tls.failures import TLSFailure

if TYPE_CHECKING:
    from tvs.fleet.batches import Answered, Failed, Question

TURNED_AWAY: Final = frozenset(
    {
        TLSFailure.UNSUPPORTED_VERSION,
        TLSFailure.NO_SHARED_CIPHER,
        TLSFailure.CERTIFICATE_MISSING,
        TLSFailure.CERTIFICATE_REFUSED,
        TLSFailure.ALERT,
    }
)
"""Reasons for which the service turns phones away, or they the service. The others are of networks and of programs that
are no phones."""
MIXED: Final = 2
"""Seconds within which sightings of several workers come in any order. Beyond, a clock was set back: what comes later
was seen later."""
_SIGNER: Final = MessageType.QUERY_CERT_REQ.name
"""The question 'who is this signer?' of a phone with a trust list; the other one is about servers."""


class _Asked(NamedTuple):
    """A signer that a phone asked for: the fields of a `Device` about it."""

    issuer: str
    serial: str
    seen: int
    generation: int


def seen(record: Answered, node: str, generation: int) -> Device:
    """The phone of an answered request, as this request alone shows it.

    Args:
        record: of a request with a device name.
        node: name of the node that answered it.
        generation: of the cluster, known to the node before.
    """
    name, model = identity(record.device)
    time, question, tls = int(record.time), record.question, record.tls
    is_trusted = question.result == TRUSTED
    device = Device(
        name=name,
        model=model,
        node=node,
        addresses=record.address,
        first=time,
        last=time,
        tls=tls.version,
        cipher=tls.cipher,
        certificate=tls.certificate,
        generation=generation,
        requests=1,
        refused=int(not is_trusted),
        request=question.request,
        subject=question.subject,
        issuer=question.issuer,
        serial=question.serial,
        result=question.result,
        source=question.source,
        roles=" ".join(map(str, question.roles)),
        suites=tls.suites,
    )
    if question.request != _SIGNER or not question.serial:
        return device
    if vouched_for(question):
        return device._replace(
            signer_issuer=question.issuer,
            signer_serial=question.serial,
            signer_seen=time,
            signer_generation=generation,
        )
    return device._replace(
        denied_issuer=question.issuer, denied_serial=question.serial, denied_seen=time, denied_generation=generation
    )


def vouched_for(question: Question) -> bool:
    """Whether the phone was told that this certificate may sign trust lists: trusted, with the role SAST."""
    return question.result == TRUSTED and TrustRole.SAST in question.roles


def merged(before: Device | None, later: Device) -> Device:
    """A device with what was seen of it later, or listed."""
    if before is None:
        return later
    signer, denied = _signers(before, later)
    if later.requests and 0 < before.last - later.last <= MIXED:  # of another worker, whose batch came first
        before, later = later, before
    seen_later = later.requests > 0
    last = later if seen_later else before
    listed = later if later.listed else before
    return Device(
        name=before.name,
        model=later.model or before.model,
        description=listed.description,
        listed=max(before.listed, later.listed),
        node=last.node,
        addresses=_latest(f"{later.addresses} {before.addresses}") if seen_later else before.addresses,
        first=min(filter(None, (before.first, later.first)), default=0),
        last=max(before.last, later.last),
        tls=last.tls,
        cipher=last.cipher,
        certificate=last.certificate,
        generation=last.generation,
        requests=before.requests + later.requests,
        refused=before.refused + later.refused,
        request=last.request,
        subject=last.subject,
        issuer=last.issuer,
        serial=last.serial,
        result=last.result,
        source=last.source,
        roles=last.roles,
        signer_issuer=signer.issuer,
        signer_serial=signer.serial,
        signer_seen=signer.seen,
        signer_generation=signer.generation,
        denied_issuer=denied.issuer,
        denied_serial=denied.serial,
        denied_seen=denied.seen,
        denied_generation=denied.generation,
        suites=last.suites,
    )


def _signers(before: Device, later: Device) -> tuple[_Asked, _Asked]:
    """The last signer that a phone was told to trust, and the last that it was not, of two parts of its record.

    Their times tell which of the two was the last. What is recorded later by a clock that was set back, or that of
    another node, can have the earlier time: then it gets the later one. In doubt the phone was not told to trust.
    """
    signer, denied = _last(_trusted(before), _trusted(later)), _last(_denied(before), _denied(later))
    latest = max(later.signer_seen, later.denied_seen)
    if not latest or max(before.signer_seen, before.denied_seen) - latest <= MIXED:
        return signer, denied
    if later.denied_seen >= later.signer_seen:
        return signer, denied._replace(seen=max(denied.seen, signer.seen))
    if later.node == before.node:
        return signer._replace(seen=max(signer.seen, denied.seen + 1)), denied
    return signer, denied


def _trusted(device: Device) -> _Asked:
    return _Asked(device.signer_issuer, device.signer_serial, device.signer_seen, device.signer_generation)


def _denied(device: Device) -> _Asked:
    return _Asked(device.denied_issuer, device.denied_serial, device.denied_seen, device.denied_generation)


def _last(before: _Asked, later: _Asked) -> _Asked:
    """The last of two signers, with the later time of both."""
    behind = before.seen - later.seen
    if not later.serial or (before.serial and 0 < behind <= MIXED):  # of another worker, whose batch came first
        return before
    return later._replace(seen=before.seen) if behind > 0 else later


def _latest(addresses: str) -> str:
    """The first of these addresses, each once."""
    return " ".join([*dict.fromkeys(addresses.split())][:MAX_ADDRESSES])


def turned_away(record: Failed, node: str) -> Unserved:
    """The address of a failed handshake."""
    time = int(record.time)
    return Unserved(record.address, node, time, time, record.reason, record.version, 1, record.tls.suites)


def added(before: Unserved | None, later: Unserved) -> Unserved:
    """An address with what failed there later."""
    if before is None:
        return later
    return later._replace(
        first=min(before.first, later.first),
        last=max(before.last, later.last),
        version=later.version or before.version,
        failures=before.failures + later.failures,
        suites=later.suites or before.suites,
    )
