"""The records of each kind of list, in their order."""

from __future__ import annotations

import pytest

from ctlcache.entries import (
    ClusterNode,
    itl_entries,
    non_secure,
    token_ctl_entries,
    token_entry,
    tokenless_ctl_entries,
)
from proto.roles import TrustRole

PUB = ClusterNode(name="pub", address="192.0.2.1", call_manager=b"pub", tvs=b"pub-tvs")
TVS_ONLY = ClusterNode(name="tvs", tvs=b"tvs")
SUB = ClusterNode(name="sub", address="2001:db8::1", call_manager=b"sub", tvs=b"sub-tvs")
NODES = (PUB, TVS_ONLY, SUB)
SAST, CCM, TFTP, CAPF, TVS = (
    TrustRole.SAST,
    TrustRole.CCM_TFTP,
    TrustRole.TFTP,
    TrustRole.CAPF,
    TrustRole.TVS,
)


def test_a_tokenless_ctl() -> None:
    """The publisher as SAST and as server, its CAPF, then the other servers; nodes without CallManager are skipped."""
    entries = tokenless_ctl_entries(NODES, capf=b"capf")
    assert [(entry.role, entry.certificate, entry.dns_name) for entry in entries] == [
        (SAST, b"pub", "pub"),
        (CCM, b"pub", "pub"),
        (CAPF, b"capf", "pub"),
        (CCM, b"sub", "sub"),
    ]
    assert [entry.address for entry in entries] == ["192.0.2.1"] * 3 + ["2001:db8::1"]
    assert all(entry.role != CAPF for entry in tokenless_ctl_entries(NODES, capf=None))


def test_a_tokenless_ctl_without_a_signer() -> None:
    """A publisher without CallManager cannot sign."""
    with pytest.raises(ValueError, match="tvs: the publisher has no CallManager certificate to sign with"):
        tokenless_ctl_entries([TVS_ONLY, SUB], capf=None)


def test_a_ctl_with_tokens() -> None:
    """The first token, the servers, then the other tokens; servers are not SAST."""
    tokens = [token_entry(name) for name in (b"one", b"two", b"three")]
    entries = token_ctl_entries(tokens, NODES, capf=b"capf")
    assert [(entry.role, entry.certificate) for entry in entries] == [
        *((SAST, b"one"), (CCM, b"pub"), (CAPF, b"capf"), (CCM, b"sub"), (SAST, b"two"), (SAST, b"three")),
    ]
    assert {(entry.dns_name, entry.address) for entry in entries if entry.role == SAST} == {("", None)}


@pytest.mark.parametrize(("mixed_mode", "role"), [(True, CCM), (False, TFTP)])
def test_an_itl(mixed_mode: bool, role: TrustRole) -> None:
    """Signers, the TFTP server in the role of the mode, CAPF, then TVS of each node that runs it."""
    entries = itl_entries(SUB, NODES, sast=[b"cm", b"recovery"], capf=b"capf", mixed_mode=mixed_mode)
    assert [(entry.role, entry.certificate, entry.dns_name) for entry in entries] == [
        (SAST, b"cm", "sub"),
        (SAST, b"recovery", "sub"),
        (role, b"sub", "sub"),
        (CAPF, b"capf", "sub"),
        (TVS, b"pub-tvs", "pub"),
        (TVS, b"tvs", "tvs"),
        (TVS, b"sub-tvs", "sub"),
    ]


def test_a_list_for_non_secure_mode() -> None:
    """Servers lose their certificates and keep name, role and address; the others stay as they are."""
    entries = tokenless_ctl_entries(NODES, capf=b"capf")
    for before, after in zip(entries, non_secure(entries), strict=True):
        assert (after.role, after.dns_name, after.address) == (before.role, before.dns_name, before.address)
        assert after.certificate == (None if before.role == CCM else before.certificate)


def test_nodes_by_address() -> None:
    """A node is named by its address, or by its name without one."""
    assert [node.by_address().name for node in NODES] == ["192.0.2.1", "tvs", "2001:db8::1"]
