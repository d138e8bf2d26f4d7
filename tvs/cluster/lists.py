"""Trust lists made from a situation: their signers and records."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from ctlcache.entries import itl_entries, non_secure, token_ctl_entries, tokenless_ctl_entries
from ctlcache.keys import has_ec_key
from ctlcache.trustlist import TrustList, parse_trust_list
from proto.errors import LocalProtocolError, RemoteProtocolError
from proto.roles import TrustRole
from tvs.cluster.rollover import Stage
from tvs.errors import StateError
from tvs.units import CTL_NAME, ITL_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ctlcache.digests import Digest
    from ctlcache.entries import ListEntry
    from ctlcache.signing import Signer
    from tvs.cluster.situation import Situation

UNKNOWN_TOKEN = """\
The Security Token you have inserted does not exist in the CTL File
Please remove any Security Tokens already inserted and insert another
Security Token. Click Ok when done."""  # noqa: S105 - a sentence
"""The CTL Client's words."""


SIGNER_VERSION = (1, 0)
"""Signer version (tag 28) of a list without EC certificates."""
EC_LISTED = (1, 1)
"""Signer version (tag 28) of a list with EC certificates: phones that know it may use them."""
MAX_AHEAD = 3600
"""Seconds that a list's timestamp may be ahead of the clock: a list made each second for an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CtlSource:
    """Signer and records of a CTL file.

    Attributes:
        signer: its certificate is one of the SAST records.
        entries: the records in mixed mode, in their order.
        record_signature: whether records repeat their certificate's signature: as made on a server, not by the
            CTL Client.
        signs_late: whether the list stays an `UnsignedList` until the change is committed: a token's PIN is not used
            for a change that is refused.
    """

    signer: Signer
    entries: tuple[ListEntry, ...]
    record_signature: bool = True
    signs_late: bool = False


def tokenless_source(situation: Situation, signer: Signer, *, both: bool = False) -> CtlSource:
    """The tokenless CTL: ITLRecovery and CallManager as SAST if ITLRecovery is the cluster's signer, else CallManager.

    Args:
        situation: the cluster.
        signer: signs; one of the two.
        both: both are SAST in any case, so that phones can know the other signer before it signs.
    """
    capf = situation.own(Purpose.CAPF)
    call_manager, *others = tokenless_ctl_entries(situation.cluster_nodes, capf=capf)
    if situation.signer is Purpose.CallManager and not both:
        return CtlSource(signer=signer, entries=(call_manager, *others))
    recovery = situation.cluster_nodes[0].entry(TrustRole.SAST, situation.require(Purpose.ITLRecovery))
    sast = (recovery, call_manager) if situation.signer is Purpose.ITLRecovery else (call_manager, recovery)
    return CtlSource(signer=signer, entries=(*sast, *others))


def token_source(
    situation: Situation, tokens: Sequence[ListEntry], signer: Signer, *, add_token: bool = False
) -> CtlSource:
    """A CTL that a hardware token signs. Servers' addresses stand as their DNS names, as the CTL Client writes them.

    Args:
        situation: the cluster.
        tokens: two or more, made with `ctlcache.entries.token_entry`.
        signer: one of them.
        add_token: whether tokens may be new to the present CTL file.

    Raises `StateError` for fewer than two tokens, and for one that the CTL file does not have.
    """
    check_tokens(situation, tokens, add_token=add_token)
    nodes = tuple(node.by_address() for node in situation.cluster_nodes)
    entries = token_ctl_entries(tokens, nodes, capf=situation.own(Purpose.CAPF))
    return CtlSource(signer=signer, entries=entries, record_signature=False, signs_late=True)


def check_tokens(situation: Situation, tokens: Sequence[ListEntry], *, add_token: bool = False) -> None:
    """Raises `StateError` for a token that the CTL file does not have, and for fewer than two."""
    certificates = [token.certificate for token in tokens if token.certificate is not None]
    if not add_token and unknown_tokens(situation.ctl, certificates):
        raise StateError(f"{UNKNOWN_TOKEN}\n(or let it be added to the file, with --add-token)")
    if len(set(certificates)) < 2:
        raise StateError("a CTL file needs two or more tokens, so that one may be lost; insert another Security Token")


def unknown_tokens(ctl: bytes | None, tokens: Sequence[bytes]) -> tuple[bytes, ...]:
    """The tokens' certificates (X.509 DER) without a SAST record in the CTL file; none without a file.

    Raises `StateError` for a damaged file, whose tokens are unknown.
    """
    if ctl is None:
        return ()
    try:
        records = parse_trust_list(ctl).records
    except RemoteProtocolError as error:
        raise StateError(f"{CTL_NAME} is damaged: {error}; delete it with: tvs file delete tftp {CTL_NAME}") from None
    known = {record.certificate for record in records if record.function == TrustRole.SAST}
    return tuple(token for token in tokens if token not in known)


def signed_by_token(ctl: bytes | None, *, other_than: Digest | None = None) -> bool:
    """Whether a hardware token signed the CTL file: its record has no DNS name, a server's has one.

    Args:
        ctl: the file; None, or bytes that cannot be read, for none.
        other_than: only with another digest than this one.
    """
    trust_list = _readable(ctl)
    if trust_list is None or (record := trust_list.signer_record) is None:
        return False
    return not record.dns_name and trust_list.header.digest != other_than


def signed_by_server(ctl: bytes | None) -> bool:
    """Whether a server signed the CTL file, which its key can sign again; False for none, or one that is damaged."""
    trust_list = _readable(ctl)
    record = None if trust_list is None else trust_list.signer_record
    return record is not None and bool(record.dns_name)


def _readable(ctl: bytes | None) -> TrustList | None:
    try:
        return None if ctl is None else parse_trust_list(ctl)
    except RemoteProtocolError:
        return None


def build_ctl(situation: Situation, source: CtlSource) -> bytes:
    """The CTL file of the situation's mode, an `UnsignedList` if its signer signs late.

    Raises `StateError` and `SigningError`.
    """
    entries = _with_rolled(source.entries, situation)
    entries = entries if situation.mixed_mode else non_secure(entries)
    return _built(
        situation,
        source.signer,
        entries,
        CTL_NAME,
        signs_late=source.signs_late,
        record_signature=source.record_signature,
    )


def build_itl(situation: Situation, signer: Signer) -> bytes:
    """The ITL file of the publisher's TFTP server; the cluster's signer is its first SAST record.

    Raises `StateError` and `SigningError`.
    """
    publisher, *_ = nodes = situation.cluster_nodes
    sast = (situation.require(situation.signer), situation.require(situation.other_signer))
    capf = situation.own(Purpose.CAPF)
    entries = itl_entries(publisher, nodes, sast=sast, capf=capf, mixed_mode=situation.mixed_mode)
    return _built(situation, signer, _with_rolled(entries, situation), ITL_NAME)


def _with_rolled(entries: Iterable[ListEntry], situation: Situation) -> tuple[ListEntry, ...]:
    """The records with one more beside each certificate of a rollover: the same with the other one of its pair.

    The old one comes first, so that a list stays as it is when the next one is put in use; but the cluster's signer is
    before the one that does not sign.
    """
    rolled, rollover = situation.rolled, situation.rollover
    own_first = rollover is None or rollover.stage is Stage.ANNOUNCED or rollover.unit is situation.signer

    def records(entry: ListEntry) -> tuple[ListEntry, ...]:
        other = None if entry.certificate is None else rolled.get(entry.certificate)
        if other is None:
            return (entry,)
        more = replace(entry, certificate=other)
        return (entry, more) if own_first else (more, entry)

    return tuple(record for entry in entries for record in records(entry))


def _built(
    situation: Situation,
    signer: Signer,
    entries: Sequence[ListEntry],
    name: str,
    *,
    signs_late: bool = False,
    record_signature: bool = True,
) -> bytes:
    from ctlcache.builder import build_trust_list, build_unsigned_list  # noqa: PLC0415 - plans read lists

    build = build_unsigned_list if signs_late else build_trust_list
    before = situation.ctl if name == CTL_NAME else situation.itl
    try:
        return build(
            entries,
            signer,
            timestamp=timestamp_after(before, int(time.time())),
            file_name=name,
            digest=situation.digest,
            record_signature=record_signature,
            signer_version=_signer_version(situation, entries),
        )
    except LocalProtocolError as error:
        raise StateError(f"{name} cannot be made: {error}") from None


def _signer_version(situation: Situation, entries: Iterable[ListEntry]) -> tuple[int, int] | None:
    """Tag 28: 1.1 if the list has EC certificates; else 1.0 in lists of releases that sign with ITLRecovery, or none.

    Releases that sign with CallManager do not write it, and lists of their length stay as they are.
    """
    if any(has_ec_key(entry.certificate) for entry in entries):
        return EC_LISTED
    return SIGNER_VERSION if situation.signer is Purpose.ITLRecovery else None


def timestamp_after(before: bytes | None, now: int) -> int:
    """The timestamp of a list, seconds since 1970: later than that of the list which it replaces.

    Signatures are deterministic: without this, two lists of one second could have the same bytes, and phones take a
    list with the bytes of theirs for the old one. A timestamp that lies further ahead than `MAX_AHEAD` comes from a
    clock that was wrong, and is not continued.

    Args:
        before: the list that is replaced; None, or bytes that cannot be read, for none.
        now: seconds since 1970.
    """
    try:
        last = parse_trust_list(before).header.timestamp if before is not None else None
    except RemoteProtocolError:
        last = None
    return last + 1 if last is not None and now <= last < now + MAX_AHEAD else now
