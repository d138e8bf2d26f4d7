"""Records of each kind of list, in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proto.roles import TrustRole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class ListEntry:
    """The content of one record to build.

    Attributes:
        role: the record's FUNCTION.
        certificate: X.509 DER; None for a record with length, DNS name, function and address only.
        dns_name: host name or address of the node; empty for a token.
        address: the node's IPv4 or IPv6 address; None is written as 0.0.0.0.
        subject_name: text to write instead of the certificate's own; for tokens, whose names are odd.
        issuer_name: likewise.
    """

    role: int
    certificate: bytes | None
    dns_name: str = ""
    address: str | None = None
    subject_name: str | None = None
    issuer_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """A node and the certificates of its services.

    Attributes:
        name: host name, or the address, which is what the CTL Client writes.
        address: IPv4 or IPv6 address; None if it is not known.
        call_manager: X.509 DER of CallManager; None if the node does not run it.
        call_manager_ec: X.509 DER of the EC certificate that CallManager has beside its RSA certificate; None
            without one.
        tvs: X.509 DER of TVS; None if the node does not run it.
    """

    name: str
    address: str | None = None
    call_manager: bytes | None = None
    call_manager_ec: bytes | None = None
    tvs: bytes | None = None

    def entry(self, role: TrustRole, certificate: bytes) -> ListEntry:
        """A record of this node."""
        return ListEntry(role=role, certificate=certificate, dns_name=self.name, address=self.address)

    def server_entries(self, role: TrustRole) -> list[ListEntry]:
        """The records of CallManager, RSA first; none if the node does not run it."""
        return [self.entry(role, der) for der in (self.call_manager, self.call_manager_ec) if der is not None]

    def by_address(self) -> ClusterNode:
        """The same node named by its address, if it has one, as the CTL Client writes it."""
        return replace(self, name=self.address or self.name)


def tokenless_ctl_entries(nodes: Sequence[ClusterNode], *, capf: bytes | None) -> tuple[ListEntry, ...]:
    """The records of a CTL that the publisher's CallManager signs.

    Its CallManager certificate as SAST, the same as CCM+TFTP, its EC certificate if there is one, CAPF, then the
    CallManager of each other node likewise.

    Args:
        nodes: the publisher first; nodes without CallManager are skipped.
        capf: the publisher's CAPF certificate, X.509 DER.

    Raises `ValueError` if the publisher does not have a CallManager certificate, so that there is not a signer.
    """
    publisher = nodes[0]
    if publisher.call_manager is None:
        raise ValueError(f"{publisher.name}: the publisher has no CallManager certificate to sign with")
    return (publisher.entry(TrustRole.SAST, publisher.call_manager), *_servers(nodes, capf))


def token_ctl_entries(
    tokens: Sequence[ListEntry], nodes: Sequence[ClusterNode], *, capf: bytes | None
) -> tuple[ListEntry, ...]:
    """The records of a CTL that a hardware token signs; servers' certificates are not SAST in it.

    In the order of published files: the first token, the servers as in a tokenless list, then the other tokens.

    Args:
        tokens: two or more, made with `token_entry`.
        nodes: the publisher first.
        capf: the publisher's CAPF certificate, X.509 DER.
    """
    return (*tokens[:1], *_servers(nodes, capf), *tokens[1:])


def token_entry(certificate: bytes, *, subject_name: str | None = None, issuer_name: str | None = None) -> ListEntry:
    """A token's record: SAST, with an empty DNS name and no address; names as the token has them."""
    return ListEntry(role=TrustRole.SAST, certificate=certificate, subject_name=subject_name, issuer_name=issuer_name)


def itl_entries(
    server: ClusterNode,
    nodes: Iterable[ClusterNode],
    *,
    sast: Sequence[bytes],
    capf: bytes | None,
    mixed_mode: bool,
) -> tuple[ListEntry, ...]:
    """The records of the ITL of one TFTP server.

    Args:
        server: the TFTP server; its CallManager certificates are TFTP, or CCM+TFTP in mixed mode.
        nodes: all nodes of the cluster; each that runs TVS gets a record for it.
        sast: X.509 DER of the certificates that may sign, the signer among them; usually CallManager and ITLRecovery.
        capf: X.509 DER of CAPF.
        mixed_mode: whether the cluster is in mixed mode.
    """
    role = TrustRole.CCM_TFTP if mixed_mode else TrustRole.TFTP
    entries = [server.entry(TrustRole.SAST, certificate) for certificate in sast]
    entries += server.server_entries(role)
    if capf is not None:
        entries.append(server.entry(TrustRole.CAPF, capf))
    entries += [node.entry(TrustRole.TVS, node.tvs) for node in nodes if node.tvs is not None]
    return tuple(entries)


def non_secure(entries: Iterable[ListEntry]) -> tuple[ListEntry, ...]:
    """The same list for non-secure mode: CCM+TFTP records have length, DNS name, function and address only.

    The records of a node's RSA and EC certificates would be equal then: one stays.
    """
    bare = (replace(entry, certificate=None) if entry.role == TrustRole.CCM_TFTP else entry for entry in entries)
    return tuple(dict.fromkeys(bare))


def _servers(nodes: Sequence[ClusterNode], capf: bytes | None) -> list[ListEntry]:
    publisher, *others = nodes
    entries = publisher.server_entries(TrustRole.CCM_TFTP)
    if capf is not None:
        entries.append(publisher.entry(TrustRole.CAPF, capf))
    for node in others:
        entries += node.server_entries(TrustRole.CCM_TFTP)
    return entries
