"""Changes on a subscriber: what it may change itself, what is the publisher's, and the lists in between."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole
from tests.fixtures.joined import joins
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import planned, worst
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tests.fixtures.joined import Nodes
    from tests.fixtures.running import Running

PUBLISHER = "cucm-1051-a-pub"
REFUSED = [
    ("utils", "ctl", "set-cluster", "non-secure-mode", "-y"),
    ("utils", "ctl", "update", "CTLFile", "-y"),
    ("utils", "ctl", "reset", "localkey", "-y"),
    ("utils", "itl", "update", "-y"),
    ("utils", "itl", "update", "ITLFile", "-y"),
    ("utils", "itl", "reset", "localkey", "-y"),
    ("set", "signer", "CallManager"),
    ("set", "digest", "sha512"),
    ("set", "cert", "regen", "ITLRecovery", "-y"),
    ("set", "cert", "regen", "CAPF", "-y"),
    ("set", "csr", "gen", "CAPF"),
    ("rollover", "ITLRecovery"),
    ("rollover", "CallManager"),
    ("set", "cert", "restore", "CAPF", "-y"),
    ("set", "node", "add", "sub3", "--address", "127.0.0.4"),
    ("set", "node", "delete", "sub2", "-y"),
    ("set", "node", "rename", "sub1", "sub3", "-y"),
]


def listed(admin: Administrator, role: TrustRole) -> dict[str, set[bytes | None]]:
    """The certificates of a role in the CTL and the ITL file."""
    found = {}
    for path in (admin.state.ctl_file, admin.state.itl_file):
        records = parse_trust_list(path.read_bytes()).records
        found[path.name[:3]] = {record.certificate for record in records if record.function == role}
    return found


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_the_publishers_key_signs_is_refused(nodes: Nodes, words: tuple[str, ...]) -> None:
    """The sentence names the publisher, the command to run there, and the way out if it is lost; nothing changes."""
    before = nodes.publisher.situation()
    refused = nodes.sub1(*words)
    assert refused.status == 1
    assert f"sub1 is a subscriber: the key that signs the trust lists is on the publisher {PUBLISHER}" in refused.err
    assert "make sub1 the publisher: tvs set node promote" in refused.err
    assert f"tvs: on {PUBLISHER}: tvs {' '.join(words)}\n" in refused.err
    assert nodes.publisher.situation() == before


def test_the_refusal_for_machines(nodes: Nodes) -> None:
    """JSON has the same sentences."""
    refused = nodes.sub1("set", "signer", "CallManager", "--json")
    facts = json.loads(refused.out)
    assert not facts["done"]
    assert f"on {PUBLISHER}: tvs set signer CallManager --json" in facts["error"]


def test_what_needs_no_signature_works_everywhere(nodes: Nodes, stranger: KeyFileSigner, tmp_path: Path) -> None:
    """Trusted certificates and kinds of phones are changed on any node, and seen on all."""
    file = tmp_path / "stranger.pem"
    file.write_bytes(x509.load_der_x509_certificate(stranger.certificate).public_bytes(Encoding.PEM))
    nodes.sub1.does("set", "cert", "import", "trust", "Phone-trust", file)
    assert "Phone-trust/stranger.pem" in nodes.sub2.does("show", "cert", "list", "trust").out
    nodes.sub2.does("set", "cert", "delete", "Phone-trust", "stranger")
    nodes.sub2.does("set", "phones", "with-tvs", "tls1.0")
    assert "tls1.0" in nodes.publisher.does("show", "phones", "--kinds").out


def test_own_certificates_by_their_unit(nodes: Nodes) -> None:
    """A unit's name alone is the node's own certificate; with its file name, or elsewhere, it is the publisher's."""
    publisher = nodes.publisher.situation()
    for shown, words, node in (
        (nodes.sub1, "tvs", "sub1"),
        (nodes.sub2, "TVS", "sub2"),
        (nodes.publisher, "TVS", PUBLISHER),
        (nodes.sub1, "TVS.pem", PUBLISHER),
        (nodes.sub1, "TVS/TVS", PUBLISHER),
        (nodes.sub1, "TVS_sub2", "sub2"),
    ):
        pem = shown.does("show", "cert", "own", words, "--pem").out
        assert ssl.PEM_cert_to_DER_cert(pem) == publisher.require(Purpose.TVS, node), words
    pem = nodes.sub1.does("show", "cert", "own", "CallManager", "--pem").out
    assert ssl.PEM_cert_to_DER_cert(pem) == publisher.require(Purpose.CallManager, "sub1")
    assert nodes.sub1("show", "cert", "own", "CAPF_sub1").status == 1


async def test_a_new_tvs_certificate_of_a_subscriber(nodes: Nodes, serve: Callable[..., Running]) -> None:
    """Until the publisher has signed new lists, the plan says so, and phones that ask this node refuse it."""
    old = nodes.sub1.situation().require(Purpose.TVS, "sub1")
    lists = listed(nodes.sub1, TrustRole.TVS)
    done = nodes.sub1.does("set", "cert", "regen", "TVS", "-y")
    assert f"  1. on {PUBLISHER}, whose key signs the trust lists" in done.out
    assert "  3. when phones have fetched the new ITL file, here: systemctl reload tvs" in done.lines
    new = nodes.publisher.situation().require(Purpose.TVS, "sub1")
    assert new != old
    key = nodes.sub1.state.private_key(Purpose.TVS, new)
    assert key.public_key() == x509.load_der_x509_certificate(new).public_key()
    assert "CN=sub1" in nodes.sub1.does("show", "cert", "own", "TVS/TVS_sub1").out
    assert listed(nodes.sub1, TrustRole.TVS) == lists
    assert worst(planned(nodes.sub1), Code.NODE_NOT_LISTED) == "warning"
    assert "does not have the TVS certificate of sub1" in planned(nodes.sub1)["node-not-listed"][0]["sentence"]
    held = held_by_phones(nodes.sub1)
    nodes.publisher.does("utils", "itl", "update", "-y")
    assert new in listed(nodes.publisher, TrustRole.TVS)["ITL"]
    assert "node-not-listed" not in nodes.publisher.does("ctl", "plan").out
    nodes.sub1.does("set", "phones", "with-tvs")
    with_tvs = (await agree(nodes.sub1, serve(nodes.sub1.state), held))[PhoneKind.WITH_TVS]
    assert [fetched.decision for fetched in with_tvs] == [Decision.UNCHANGED, Decision.OWN_LIST]


def test_a_new_call_manager_certificate_of_a_subscriber(nodes: Nodes) -> None:
    """The next update on the publisher puts it into the CTL file, which needs no other command."""
    nodes.sub1.does("set", "cert", "regen", "CallManager", "-y")
    new = nodes.publisher.situation().require(Purpose.CallManager, "sub1")
    assert new not in listed(nodes.publisher, TrustRole.CCM_TFTP)["CTL"]
    done = nodes.publisher.does("utils", "itl", "update", "-y")
    assert "CTLFile.tlv Updated" in done.lines
    assert "ITLFile.tlv Updated" not in done.lines
    assert new in listed(nodes.publisher, TrustRole.CCM_TFTP)["CTL"]


def test_an_ec_certificate_a_request_and_the_way_back(nodes: Nodes, tmp_path: Path) -> None:
    """A subscriber makes and requests its own certificates, restores and deletes them, with keys that stay on it."""
    nodes.sub1.does("set", "cert", "regen", "CallManager-ECDSA", "-y")
    ec = nodes.sub1.situation().require(Purpose.CallManager_ECDSA, "sub1")
    assert x509.load_der_x509_certificate(ec).subject.rfc4514_string().endswith("CN=sub1-EC")
    deleted = nodes.sub1.does("set", "cert", "delete", "CallManager-ECDSA", "CallManager-ECDSA_sub1")
    assert f"  1. on {PUBLISHER}" in deleted.out
    request = x509.load_pem_x509_csr(nodes.sub1.does("set", "csr", "gen", "TVS").out.encode())
    before = nodes.sub1.situation().require(Purpose.TVS, "sub1")
    assert request.subject == x509.load_der_x509_certificate(before).subject
    nodes.sub1.does("set", "cert", "regen", "TVS", "-y")
    assert len(json.loads(nodes.sub1.does("show", "cert", "own", "TVS", "--previous", "--json").out)) == 1
    nodes.sub1.does("set", "cert", "restore", "TVS", "-y")
    assert nodes.publisher.situation().require(Purpose.TVS, "sub1") == before
    assert nodes.sub1("set", "cert", "delete", "CallManager-ECDSA", "CallManager-ECDSA_sub2").status == 1
    assert nodes.sub1("set", "cert", "import", "own", "TVS", tmp_path / "none", "--node", "sub2").status == 1


def test_the_certificate_of_another_node_is_not_imported_here(nodes: Nodes, tmp_path: Path) -> None:
    """A subscriber enters its own certificates, the publisher those of others."""
    file = tmp_path / "TVS.pem"
    file.write_text(nodes.sub2.does("show", "cert", "own", "TVS/TVS_sub2", "--pem").out)
    for node in ("sub2", PUBLISHER):
        refused = nodes.sub1("set", "cert", "import", "own", "TVS", file, "--node", node)
        assert refused.status == 1
        assert "sub1 is a subscriber" in refused.err
    imported = nodes.sub2.does("set", "cert", "import", "own", "TVS", file)
    assert "Successfully imported certificate for TVS." in imported.lines


# -- the lists of all ------------------------------------------------------------------------------------------------


def test_one_update_for_several_nodes(nodes: Nodes, tmp_path: Path) -> None:
    """Both lists have all nodes that have joined; a second update has nothing to do, and makes no generation."""
    for number in (3, 4):
        joins(nodes.url, tmp_path / f"sub{number}", f"sub{number}", f"127.0.0.{number + 1}")
    assert nodes.publisher.does("ctl", "plan", "update", "itl").out.startswith("Change: update the trust lists\n")
    done = nodes.publisher.does("utils", "itl", "update", "-y")
    assert {"ITLFile.tlv Updated", "CTLFile.tlv Updated"} <= set(done.lines)
    situation = nodes.publisher.situation()
    assert len(listed(nodes.publisher, TrustRole.TVS)["ITL"]) == len(situation.nodes) == 5
    assert len(listed(nodes.publisher, TrustRole.CCM_TFTP)["CTL"]) == 5
    assert "list-outdated" not in nodes.publisher.does("ctl", "plan").out
    again = nodes.publisher.does("utils", "itl", "update", "-y")
    assert "The trust lists have everything that the database has; nothing was changed." in again.lines
    assert json.loads(nodes.publisher.does("utils", "itl", "update", "-y", "--json").out)["files"] == []
    assert nodes.publisher.situation().generation == situation.generation


def test_a_node_is_deleted_on_the_publisher(nodes: Nodes) -> None:
    """The ITL file is without it at once, the CTL file with the next update; others go on."""
    nodes.publisher.does("set", "node", "delete", "sub1", "-y")
    assert len(listed(nodes.publisher, TrustRole.TVS)["ITL"]) == 2
    nodes.publisher.does("utils", "itl", "update", "-y")
    assert len(listed(nodes.publisher, TrustRole.CCM_TFTP)["CTL"]) == 2
    nodes.sub2.does("set", "phones", "with-tvs")
    assert nodes.sub2.state.itl_file.read_bytes() == nodes.publisher.state.itl_file.read_bytes()
