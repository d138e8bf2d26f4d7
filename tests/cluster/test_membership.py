"""The node that a state directory is: known by its keys."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tvs.cluster.membership import own_node
from tvs.errors import NotInCluster
from tvs.phone.trust import tvs_certificates
from tvs.process.listtaker import ListTaker
from tvs.server.credentials import own_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.joined import Nodes


def name_of(admin: Administrator) -> str:
    """The name of the node that a state directory is."""
    with admin.store() as store:
        return own_node(admin.state, store).name


def test_each_directory_is_the_node_whose_tvs_key_it_has(nodes: Nodes) -> None:
    """Three directories of one database are three nodes, and each serves with its own certificate."""
    assert [name_of(one) for one in (nodes.publisher, nodes.sub1, nodes.sub2)] == ["cucm-1051-a-pub", "sub1", "sub2"]
    with nodes.sub1.store() as store:
        certificate, expiry = own_certificates(nodes.sub1.state, store)
        assert store.entry(Purpose.TVS, "TVS_sub1").certificate.der == certificate
    assert [name for _, name, _ in expiry] == ["TVS_sub1.pem", "TVS.pem", "TVS_sub2.pem"]


def test_a_key_that_moves_takes_the_node_with_it(nodes: Nodes) -> None:
    """The name of the directory, its settings and other keys do not count."""
    for path in nodes.sub2.state.keys.glob("TVS-*.key"):
        path.unlink()
    for path in nodes.sub1.state.keys.glob("TVS-*.key"):
        shutil.move(path, nodes.sub2.state.keys / path.name)
    assert name_of(nodes.sub2) == "sub1"


def test_the_publisher_comes_before_others(nodes: Nodes) -> None:
    """A directory with the keys of two nodes is the publisher."""
    for path in nodes.sub1.state.keys.glob("TVS-*.key"):
        shutil.copy(path, nodes.publisher.state.keys)
    assert name_of(nodes.publisher) == "cucm-1051-a-pub"


def test_a_publisher_without_its_tvs_key_stays_the_publisher(nodes: Nodes, today: Administrator) -> None:
    """Its other keys tell; in a directory with a database of its own none is needed."""
    for path in nodes.keys.glob("TVS-*.key"):
        path.unlink()
    assert name_of(nodes.publisher) == "cucm-1051-a-pub"
    for path in today.state.keys.glob("*.key"):
        path.unlink()
    assert name_of(today) == "cucm-1051-a-pub"


def test_a_deleted_node_is_none(nodes: Nodes) -> None:
    """It is not taken for the publisher, and it changes nothing."""
    nodes.publisher.does("set", "node", "delete", "sub1", "-y")
    with pytest.raises(NotInCluster, match=r"is not a node of the cluster of cucm-1051-a-pub: .*tvs init --join URL"):
        name_of(nodes.sub1)
    before = nodes.publisher.situation()
    for words in (("set", "phones", "with-tvs", "tls1.0"), ("set", "cert", "regen", "ITLRecovery", "-y")):
        refused = nodes.sub1(*words)
        assert refused.status == 1
        assert "is not a node of the cluster of cucm-1051-a-pub" in refused.err
    assert nodes.publisher.situation() == before
    assert nodes.sub1("show", "nodes").status == 0


def test_a_deleted_node_keeps_its_lists(nodes: Nodes, tmp_path: Path) -> None:
    """No command and no list taker takes those without its certificate, with which phones would refuse its service."""
    before = {path.name: path.read_bytes() for path in nodes.sub1.state.tftp.iterdir()}
    applied = nodes.sub1.state.cluster_file.read_bytes()
    own = nodes.sub1.situation().require(Purpose.TVS, "sub1")
    nodes.publisher.does("set", "node", "delete", "sub1", "-y")
    nodes.publisher.does("utils", "itl", "update", "-y")
    published, certificate = tmp_path / "published", tmp_path / "other.cer"
    published.mkdir()
    certificate.write_bytes(own)
    for words in (
        ("set", "cert", "import", "trust", "Phone-trust", certificate, "-y"),
        ("set", "cert", "regen", "TVS", "-y"),
        ("utils", "itl", "update", "-y"),
        ("file", "delete", "tftp", "CTLFile.tlv", "-y"),
        ("publish", published),
    ):
        refused = nodes.sub1(*words)
        assert refused.status == 1, words
        assert "is not a node of the cluster of cucm-1051-a-pub" in refused.err
        assert "was not in place yet" not in refused.err
    with closing(nodes.sub1.state.lazy_store()) as store:
        taker = ListTaker(nodes.sub1.state, store, lambda *_, **__: None, lambda: None)
        assert not taker.take()
        assert "is not a node of the cluster" in taker.problem
    assert {path.name: path.read_bytes() for path in nodes.sub1.state.tftp.iterdir()} == before
    assert nodes.sub1.state.cluster_file.read_bytes() == applied
    assert list(published.iterdir()) == []
    assert own in tvs_certificates(before["ITLFile.tlv"])


def test_a_replaced_publisher_that_was_deleted_is_none(nodes: Nodes) -> None:
    """It still has the key that signs the lists, and must not use it."""
    nodes.sub1.does("set", "node", "promote", "--keys", nodes.keys, "-y")
    assert name_of(nodes.publisher) == "cucm-1051-a-pub"
    nodes.sub1.does("set", "node", "delete", "cucm-1051-a-pub", "-y")
    with pytest.raises(NotInCluster):
        name_of(nodes.publisher)


def test_changes_are_made_by_the_node(nodes: Nodes) -> None:
    """A generation says which node made it, whatever the name of its machine."""
    nodes.sub2.does("set", "phones", "with-tvs", "tls1.0")
    assert "by sub2: set PhoneKinds" in nodes.publisher.does("show", "cluster").out
