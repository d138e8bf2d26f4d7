"""Situations as values: lookups, and the same one with a difference."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from certstore.store import Node
from ctlcache.digests import Digest
from tvs.cluster.proposals import propose_parameter
from tvs.cluster.situation import LIST_DIGEST, LIST_SIGNER, read_situation
from tvs.errors import StateError

if TYPE_CHECKING:
    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator

SUB = Node(name="sub1", address="192.0.2.1", publisher=False)


def test_own_certificates_by_node(admin: Administrator, publisher: KeyFileSigner) -> None:
    """The publisher's unless a node is named, whatever the case of its name."""
    now = admin.situation().with_node(SUB).with_own(Purpose.TVS, publisher.certificate, "sub1")
    assert now.own(Purpose.TVS, "SUB1") == publisher.certificate
    assert now.own(Purpose.TVS) == admin.situation().own(Purpose.TVS) != publisher.certificate
    assert now.own(Purpose.CallManager, "sub1") is None
    assert now.tvs_certificates == {publisher.certificate, now.own(Purpose.TVS)}
    assert [node.name for node in now.cluster_nodes] == ["cucm-1051-a-pub", "sub1"]
    gone = now.without_node("Sub1")
    assert gone == admin.situation()


def test_a_database_without_a_publisher(admin: Administrator) -> None:
    """What needs the publisher says so; the rest works."""
    bare = replace(admin.situation(), nodes=())
    assert bare.own(Purpose.TVS) is None
    assert bare.cluster_nodes == ()
    with pytest.raises(StateError, match="tvs init"):
        _ = bare.publisher


def test_the_same_but_trusted_certificates(admin: Administrator, publisher: KeyFileSigner) -> None:
    """Trusted certificates may differ; files, nodes, own certificates, mode and digest may not."""
    now = admin.situation()
    assert now.same_but_trusted(now.with_trusted(Purpose.Phone_trust, [publisher.certificate]))
    for other in (
        replace(now, ctl=None),
        replace(now, itl=b""),
        replace(now, mixed_mode=False),
        now.with_node(SUB),
        now.with_own(Purpose.TVS, publisher.certificate),
    ):
        assert not now.same_but_trusted(other)


def test_roles_are_the_union_over_units(admin: Administrator, publisher: KeyFileSigner) -> None:
    """One certificate in several units has all their roles, ascending."""
    now = admin.situation()
    for unit in (Purpose.Phone_VPN_trust, Purpose.Phone_SAST_trust, Purpose.TVS_trust):
        now = now.with_trusted(unit, [publisher.certificate, publisher.certificate])
    assert now.roles(publisher.certificate) == (0, 3, 26)
    assert len(now.entries) == 4 + 3


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (LIST_DIGEST, "MD5", "TrustListDigest .* is 'MD5'; it must be one of SHA1, SHA256, SHA512"),
        (LIST_SIGNER, "TVS", "TrustListSigner .* is 'TVS'; it must be CallManager or ITLRecovery"),
    ],
)
def test_a_parameter_that_cannot_be_read(admin: Administrator, name: str, value: str, sentence: str) -> None:
    """An unknown digest or signer in the database is named with its place and the values that it can have."""
    change = propose_parameter(admin.state, admin.situation(), name=name, value=value)
    assert change.title == f"set {name} to {value}"
    with admin.store() as store:
        change.apply(store)
        with pytest.raises(StateError, match=sentence):
            read_situation(admin.state, store)


def test_a_database_without_parameters_keeps_signer_and_digest(admin: Administrator) -> None:
    """State directories from before the parameters existed sign with CallManager and SHA-512, as they always did."""
    with closing(sqlite3.connect(admin.state.database)) as database, database:
        database.execute("delete from processconfig where paramname like 'TrustList%'")
    now = admin.situation()
    assert (now.signer, now.other_signer) == (Purpose.CallManager, Purpose.ITLRecovery)
    assert now.digest is Digest.SHA512
