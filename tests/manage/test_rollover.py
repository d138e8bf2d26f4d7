"""Rollovers with phones that boot, or sleep, at each stage; refusals, the way back, and kills."""

from __future__ import annotations

import json
import subprocess
import sys
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole
from tests.fixtures.running import PATIENCE
from tests.manage.oldphone import OldPhone, by_token, own, refused, signers
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import planned, settings, worst
from tvs.cluster.rollover import ROLLOVER
from tvs.identity import key_id
from tvs.phone.trust import Refusal
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
    from tvs.plan.phones import HeldLists

WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind
NEXT = ("--next", "--held", "current")
CLUSTERS = {"guide": "admin", "today": "today"}
"""Fixtures of clusters: one whose CallManager signs the lists, and one whose ITLRecovery does."""


@pytest.fixture(params=["guide", "today"])
def either(request: pytest.FixtureRequest) -> Administrator:
    """The administrator of each kind of cluster, whose lists and service every phone can use."""
    found: Administrator = request.getfixturevalue(CLUSTERS[request.param])
    settings(found, tls_profile="legacy")
    return found


def listed(path: Path, certificate: bytes) -> list[int]:
    """The roles of a certificate in a list, in the order of its records."""
    return [int(one.function) for one in parse_trust_list(path.read_bytes()).records if one.certificate == certificate]


def other_of(admin: Administrator, unit: Purpose) -> bytes:
    """The certificate of the publisher's pair that is not in use."""
    return admin.situation().rolled[own(admin, unit)]


def essence(admin: Administrator) -> object:
    """What phones and TVS have of a cluster: certificates, signers, records, without the lists' times."""
    now = admin.situation()
    lists = [
        sorted((int(one.function), one.certificate or b"") for one in parse_trust_list(data).records)
        for data in (now.ctl, now.itl)
        if data is not None
    ]
    return {(one.unit, one.certificate.der) for one in now.entries}, lists, signers(admin)


# -- phones at each stage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [Purpose.TVS, Purpose.CallManager, Purpose.ITLRecovery])
async def test_phones_at_each_stage(either: Administrator, serve: Callable[..., Running], unit: Purpose) -> None:
    """No phone that asks TVS refuses a list, whichever stages it slept through; each does what the plan says.

    A phone without TVS takes them too if it booted at each stage.
    """
    service, old = serve(either.state), OldPhone(either)
    assert await old.boots()
    held = {"before": held_by_phones(either)}
    before, present = essence(either), own(either, unit)
    for stage, options in (("announced", ()), ("in use", NEXT), ("finished", NEXT)):
        either.does("rollover", unit, *options, "--phones", "with-tvs,tls1.0,without-tvs")
        for lists in held.values():
            await all_accept(either, service, lists)
        assert await old.boots(), stage
        held[stage] = held_by_phones(either)
    assert own(either, unit) != present
    assert not [path for path in (either.state.ctl_file, either.state.itl_file) if listed(path, present)]
    assert len(essence(either)[0]) == len(before[0])  # type: ignore[index] # the first part of it


async def test_phones_ask_the_service_that_follows(today: Administrator, serve: Callable[..., Running]) -> None:
    """With the next TVS certificate in use, a phone with the announced ITL asks about a new signer; one without cannot.

    The service presents it without a reload.
    """
    settings(today, tls_profile="legacy")
    service, before = serve(today.state), held_by_phones(today)
    today.does("rollover", "TVS")
    announced = held_by_phones(today)
    today.does("rollover", "TVS", *NEXT)
    today.does("set", "cert", "regen", "ITLRecovery", "-y", "--force")
    today.does("utils", "ctl", "update", "CTLFile", "-y", "--force")
    ctl, itl = (await agree(today, service, announced))[WITH_TVS]
    assert (ctl.decision, itl.decision) == (Decision.TVS, Decision.OWN_LIST)
    ctl, _ = (await agree(today, service, before))[WITH_TVS]
    assert ctl.refusal is Refusal.TVS_UNTRUSTED


async def all_accept(admin: Administrator, service: Running, held: HeldLists) -> None:
    """Phones with TVS that hold these lists take the present ones, or have them."""
    for kind, outcomes in (await agree(admin, service, held)).items():
        if kind is not WITHOUT_TVS:
            assert Decision.REFUSES not in [one.decision for one in outcomes]


def test_what_the_lists_name(either: Administrator) -> None:
    """Announced: both in each of the certificate's roles, vouched for as SAST. In use: the same, signed by the next."""
    signer, unit = either.situation().signer, Purpose.CallManager
    present = own(either, unit)
    either.does("rollover", unit)
    following = other_of(either, unit)
    for path in (either.state.ctl_file, either.state.itl_file):
        assert listed(path, present) == listed(path, following) != []
    assert TrustRole.SAST in either.situation().roles(following)
    before = either.situation().itl, signers(either)
    either.does("rollover", unit, *NEXT)
    assert own(either, unit) == following
    assert other_of(either, unit) == present
    if signer is unit:
        assert signers(either) == (following, following)
        first = next(one for one in parse_trust_list(either.state.itl_file.read_bytes()).records)
        assert first.certificate == following, "the cluster's signer is the first"
    else:
        assert (either.situation().itl, signers(either)) == before, "phones need not fetch anything"
    assert TrustRole.SAST in either.situation().roles(present)
    either.does("rollover", unit, *NEXT)
    assert either.situation().roles(present) == ()


def test_the_next_stage_waits_for_phones(admin: Administrator) -> None:
    """A phone without TVS that may hold the lists of before stops the next stage, and the status says so."""
    admin.does("set", "phones", "with-tvs", "without-tvs")
    admin.does("rollover", "CallManager")
    refused(admin, "rollover", "CallManager", "--next", code=Code.PHONES_WITHOUT_TVS)
    shown = admin.does("rollover", "CallManager", "--status").lines
    assert shown[1].startswith("Stage      announced: ")
    assert any(line.startswith("Waits for  phones-without-tvs: ") for line in shown)
    assert any("add --held current" in line for line in shown)
    facts = json.loads(admin.does("rollover", "CallManager", "--status", "--json").out)
    assert (facts["safe"], facts["safe_if_held_current"], facts["stage"]) == (False, True, "announced")
    assert Code.PHONES_WITHOUT_TVS in {finding["code"] for finding in facts["findings"]}
    assert worst(planned(admin, "rollover", "CallManager", "next"), Code.PHONES_WITHOUT_TVS) == "error"
    admin.does("rollover", "CallManager", *NEXT)


def test_tvs_waits_for_phones(today: Administrator) -> None:
    """The ITL of phones must name the next TVS certificate before it is presented, though they take every list."""
    today.does("rollover", "TVS")
    following = other_of(today, Purpose.TVS)
    assert listed(today.state.itl_file, following) == [TrustRole.TVS]
    way_out = refused(today, "rollover", "TVS", "--next", code=Code.NOT_FETCHED)
    assert way_out.startswith("restart the phones")
    itl = today.situation().itl
    today.does("rollover", "TVS", *NEXT)
    assert own(today, Purpose.TVS) == following
    assert today.situation().itl == itl, "phones need not fetch anything"
    today.does("rollover", "TVS", *NEXT)
    shown = today.does("rollover", "TVS", "--status").lines
    assert shown[1] == "Stage      finished: the next certificate took the place of the one before"


# -- the way back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [Purpose.TVS, Purpose.CallManager, Purpose.ITLRecovery])
async def test_abort(today: Administrator, unit: Purpose) -> None:
    """Each abort goes back one stage; after the last one everything is as before, and the next key is put aside."""
    old = OldPhone(today)
    before, present = essence(today), own(today, unit)
    today.does("rollover", unit)
    following = other_of(today, unit)
    announced = essence(today)
    assert await old.boots()
    today.does("rollover", unit, *NEXT)
    assert await old.boots()
    today.does("rollover", unit, "--abort")
    assert (own(today, unit), other_of(today, unit)) == (present, following)
    assert essence(today) == announced
    today.does("rollover", unit, *NEXT)
    today.does("rollover", unit, "--abort")
    today.does("rollover", unit, "--abort")
    assert essence(today) == before
    assert await old.boots()
    assert today.key(unit).key_size
    assert today("rollover", unit, "--abort").status == 1


def test_keys(today: Administrator) -> None:
    """The keys of both certificates stay until the end, whatever else is changed; that of an aborted one goes aside."""
    present = today.key(Purpose.TVS)
    today.does("rollover", "TVS", "--key", "p256")
    following = today.state.private_key(Purpose.TVS, other_of(today, Purpose.TVS))
    assert following.key_size == 256
    for _ in range(4):
        today.does("set", "cert", "regen", "CAPF", "-y", "--held", "current")
    names = {f"TVS-{key_id(key.public_key())}.key" for key in (present, following)}
    assert names <= {path.name for path in today.state.keys.iterdir()}
    assert {(today.state.keys / name).stat().st_mode & 0o777 for name in names} == {0o600}
    today.does("rollover", "TVS", "--abort")
    assert f"TVS-{key_id(following.public_key())}.key" in {path.name for path in today.state.unused_keys.iterdir()}


# -- other commands meanwhile ------------------------------------------------------------------------------------------


def test_lists_of_other_commands_keep_both(admin: Administrator) -> None:
    """Updates, another digest, another mode and resets make lists that name both certificates."""
    admin.does("rollover", "CallManager")
    following = other_of(admin, Purpose.CallManager)
    for words in (
        "utils ctl update CTLFile -y",
        "utils itl update ITLFile -y",
        "set digest sha256",
        "utils itl reset localkey -y",
        "utils ctl reset localkey -y",
        "utils ctl set-cluster non-secure-mode -y",
    ):
        admin.does(*words.split(), "--held", "current")
        for path in (admin.state.ctl_file, admin.state.itl_file):
            assert TrustRole.SAST in listed(path, following), words


def test_what_is_refused_meanwhile(admin: Administrator) -> None:
    """Other changes of the same certificates, and another rollover, name the two ways out."""
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    admin.does("rollover", "CallManager")
    before = admin.situation()
    (trusted,) = [one.name for one in before.entries if one.unit is Purpose.Phone_SAST_trust]
    for words in (
        ("set", "cert", "regen", "CallManager", "-y"),
        ("set", "cert", "restore", "CallManager", "-y"),
        ("set", "cert", "delete", "Phone-SAST-trust", trusted, "-y"),
        ("set", "signer", "ITLRecovery"),
        ("set", "signer", "ITLRecovery", "--announce"),
    ):
        done = admin(*words, "--held", "current")
        assert done.status == 1, words
        assert "tvs rollover CallManager --next" in done.err, words
        assert "tvs rollover CallManager --abort" in done.err, words
    assert "one at a time" in admin("rollover", "TVS").err
    assert admin("rollover", "CAPF").status == 2
    shown = admin.does("show", "cluster").lines
    assert "Rollover   CallManager is announced: tvs rollover CallManager --status" in shown
    assert admin("rollover", "TVS", "--next", "--abort").status == 2
    assert "is under way already" in admin.does("rollover", "CallManager").out
    assert json.loads(admin.does("rollover", "CallManager", "--json").out)["rollover"]["stage"] == "announced"
    late = admin("rollover", "CallManager", "--key", "rsa4096", "--json")
    assert (late.status, "tvs rollover CallManager --abort" in late.err) == (1, True)
    assert admin.situation() == before


def test_a_damaged_parameter(admin: Administrator) -> None:
    """A value that cannot be read stops changes with a way out, which brings lists without the next certificate."""
    before = essence(admin)
    admin.does("rollover", "CallManager")
    with admin.store() as store:
        good = json.loads(store.parameter(ROLLOVER) or "")
    moments = [json.dumps(good | {"since": since}) for since in (float("inf"), 10**20, -1)]
    for text in ("{", "[]", '{"unit": "CAPF"}', "[" * 100_000, *moments):
        with admin.store() as store:
            store.set_parameter(ROLLOVER, text)
        done = admin("utils", "itl", "update", "ITLFile", "-y")
        assert (done.status, "tvs rollover TVS --abort" in done.err) == (1, True), done.err
        assert admin("rollover", "CallManager", "--status").status == 1
    assert "is forgotten" in admin.does("rollover", "TVS", "--abort").out
    assert essence(admin)[1:] == before[1:]  # type: ignore[index] # the lists and their signers
    admin.does("utils", "itl", "update", "ITLFile", "-y")


def test_a_certificate_that_is_gone(admin: Administrator) -> None:
    """If another program deleted the next certificate, the way back is open; if it deleted the one before, forward."""
    for word, options in (("--abort", ()), ("--next", NEXT)):
        admin.does("rollover", "CallManager")
        if options:
            admin.does("rollover", "CallManager", *options)
        with admin.store() as store:
            (entry,) = store.entries(unit=Purpose.Phone_SAST_trust)
            store.delete(entry.unit, entry.name)
        stopped = admin("utils", "itl", "update", "ITLFile", "-y")
        assert f"tvs rollover CallManager {word}" in stopped.err
        admin.does("rollover", "CallManager", word, "--held", "current")
        assert admin.situation().rolled == {}


def test_a_token_signs_the_ctl(admin: Administrator, tokens: tuple[KeyFileSigner, KeyFileSigner]) -> None:
    """The CTL that a token signed stays; the next stage waits until the token has signed one with both."""
    by_token(admin, tokens)
    ctl = admin.state.ctl_file.read_bytes()
    done = admin.does("rollover", "CallManager")
    assert done.lines[-1].endswith("tvs utils ctl update CTLFile --token URI")
    assert admin.state.ctl_file.read_bytes() == ctl
    stopped = admin("rollover", "CallManager", *NEXT)
    assert (stopped.status, "tvs utils ctl update CTLFile --token URI" in stopped.err) == (1, True)
    by_token(admin, tokens)
    assert listed(admin.state.ctl_file, other_of(admin, Purpose.CallManager)) == [TrustRole.CCM_TFTP]
    admin.does("rollover", "CallManager", *NEXT)


@pytest.mark.parametrize("unit", [Purpose.TVS, Purpose.CallManager, Purpose.ITLRecovery])
def test_a_key_that_is_lost(today: Administrator, unit: Purpose) -> None:
    """A certificate is not put in use without its key, as after a restored directory; the other way is open."""
    lost = today.state.path / "lost.key"
    for options, way in ((NEXT, "--abort"), (("--abort",), "--next")):
        today.does("rollover", unit)
        if way == "--next":
            today.does("rollover", unit, *NEXT)
        key = today.state.key_file(unit, x509.load_der_x509_certificate(other_of(today, unit)).public_key())
        key.rename(lost)
        before = essence(today)
        stopped = today("rollover", unit, *options)
        assert (stopped.status, key.name in stopped.err) == (1, True), stopped.err
        assert stopped.err.rstrip().endswith(f"tvs rollover {unit} {way}")
        assert essence(today) == before
        today.does("rollover", unit, way, "--held", "current")
        assert today.situation().rolled == {}


# -- a cluster ---------------------------------------------------------------------------------------------------------


def test_tvs_of_three_nodes(nodes: Nodes) -> None:
    """Each node makes its next key; the publisher lists all of them, then all are the own ones at once."""
    pub = nodes.publisher
    waiting = nodes.sub1.does("rollover", "TVS").lines
    assert waiting[-1] == "On cucm-1051-a-pub, when all nodes have theirs: tvs rollover TVS --next"
    assert "the publisher cucm-1051-a-pub goes on" in nodes.sub1.does("rollover", "TVS", "--status").out
    assert nodes.sub1("rollover", "TVS", "--next").err.splitlines()[-1].endswith("tvs rollover TVS --next")
    pub.does("rollover", "TVS")
    nodes.sub2.does("rollover", "TVS")
    stage = pub.does("rollover", "TVS", "--status").out
    assert "Next       announce all next TVS certificates" in stage
    pub.does("rollover", "TVS", "--next")
    rolled = pub.situation().rolled
    assert len(rolled) == 3
    for node, admin in (("cucm-1051-a-pub", pub), ("sub1", nodes.sub1), ("sub2", nodes.sub2)):
        following = rolled[pub.situation().require(Purpose.TVS, node)]
        assert admin.state.private_key(Purpose.TVS, following).key_size
    for certificate in (*rolled, *rolled.values()):
        assert listed(pub.state.itl_file, certificate) == [TrustRole.TVS]
    pub.does("rollover", "TVS", *NEXT)
    assert pub.situation().tvs_certificates == set(rolled.values())
    for node, admin in (("sub1", nodes.sub1), ("sub2", nodes.sub2)):
        assert admin.situation().this_node.name == node
        assert admin.state.private_key(Purpose.TVS, admin.situation().require(Purpose.TVS, node)).key_size
    pub.does("set", "node", "delete", "sub2", "-y", "--held", "current")
    pub.does("rollover", "TVS", *NEXT)
    assert [one for one in pub.situation().entries if one.unit is Purpose.TVS_trust] == []


def test_the_certificate_of_before_of_each_node(nodes: Nodes) -> None:
    """After a rollover of TVS each node has its certificate of before, which can be restored, or forgotten."""
    pub, sub1, sub2 = nodes.publisher, nodes.sub1, nodes.sub2
    restored, forgotten = (pub.situation().require(Purpose.TVS, name) for name in ("sub1", "sub2"))
    for one in (pub, sub1, sub2):
        one.does("rollover", "TVS")
    for _ in range(3):
        pub.does("rollover", "TVS", *NEXT)
    sub1.does("set", "cert", "restore", "TVS", "-y", "--force")
    assert pub.situation().require(Purpose.TVS, "sub1") == restored
    key = sub2.state.key_file(Purpose.TVS, x509.load_der_x509_certificate(forgotten).public_key())
    assert key.exists()
    sub2.does("set", "cert", "forget", "TVS", "-y")
    assert not key.exists()


def test_a_signer_is_the_publishers(nodes: Nodes) -> None:
    """A subscriber is told where the command is to be run."""
    done = nodes.sub1("rollover", "ITLRecovery")
    assert (done.status, "on cucm-1051-a-pub: tvs rollover ITLRecovery" in done.err) == (1, True)


def test_a_certificate_of_several_nodes(nodes: Nodes, tmp_path: Path) -> None:
    """It is not rolled over: the key of the next one would be on one of them only. The same if it comes meanwhile."""
    pub, file = nodes.publisher, tmp_path / "shared.pem"
    file.write_text(DER_cert_to_PEM_cert(own(pub, Purpose.CallManager)))
    shared = ("set", "cert", "import", "own", "CallManager", file, "--node", "sub1", "--force")
    pub.does("rollover", "CallManager")
    pub.does(*shared)
    before = pub.situation()
    stopped = pub("rollover", "CallManager", *NEXT)
    assert "cucm-1051-a-pub and sub1 have the same CallManager certificate" in stopped.err
    assert (stopped.status, pub.situation()) == (1, before)
    pub.does("rollover", "CallManager", "--abort")
    assert pub("rollover", "CallManager").err == stopped.err
    nodes.sub1.does("set", "cert", "regen", "CallManager", "-y", "--force")
    pub.does("rollover", "CallManager")


def test_a_promotion_ends_a_rollover_of_a_signer(nodes: Nodes) -> None:
    """The next key of the lost publisher is lost with it: the new publisher has no rollover, and makes lists."""
    nodes.publisher.does("rollover", "ITLRecovery")
    following = other_of(nodes.publisher, Purpose.ITLRecovery)
    nodes.sub1.does("set", "node", "promote", "-y", "--force")
    assert nodes.sub1.situation().rolled == {}
    assert nodes.sub1.situation().roles(following) == ()
    assert listed(nodes.sub1.state.itl_file, following) == []
    nodes.sub1.does("rollover", "ITLRecovery")


def test_a_promotion_while_the_next_signer_signs(nodes: Nodes) -> None:
    """The rollover ends where it is: the certificate before it does not come back."""
    pub, sub = nodes.publisher, nodes.sub1
    pub.does("rollover", "CallManager")
    pub.does("rollover", "CallManager", *NEXT)
    following = own(pub, Purpose.CallManager)
    sub.does("set", "node", "promote", "-y", "--force")
    assert sub.situation().rolled == {}
    assert sub.situation().require(Purpose.CallManager, "cucm-1051-a-pub") == following
    shown = sub.does("rollover", "CallManager", "--status").lines
    assert shown[1] == "Stage      finished: the next certificate took the place of the one before"


# -- kills -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "before", "words"),
    [
        ("TVS", (), ()),
        ("CallManager", ((),), NEXT),
        ("TVS", ((), NEXT), ("--abort",)),
    ],
    ids=["begin", "next", "abort"],
)
def test_a_kill_at_any_step(
    admin: Administrator, tmp_path: Path, unit: str, before: tuple[tuple[str, ...], ...], words: tuple[str, ...]
) -> None:
    """Killed at each of its steps in turn, a stage is whole: certificates with keys, lists, and no phone lost."""
    for options in before:
        admin.does("rollover", unit, *options)
    command = [sys.executable, "-m", "tests.manage.kill_each", str(admin.state.path), str(tmp_path / "work")]
    done = subprocess.run(
        [*command, "rollover", unit, *words], capture_output=True, text=True, check=False, timeout=4 * PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4, "the command took that many steps on the disk"
