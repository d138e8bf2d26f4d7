"""Nodes with another name or address: database, lists, certificates, phones, and the steps that follow."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from tests.manage.phones import agree, held_by_phones
from tests.manage.test_nodes import add_node
from tvs.cluster.renaming import next_steps, propose_rename
from tvs.identity import subject_for
from tvs.plan.boot import Decision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running

OLD, NEW = "cucm-1051-a-pub", "cucm-1051-b-pub"
UPDATE = ("utils", "ctl", "update", "CTLFile", "-y")


def names(path: Path) -> set[tuple[str, str | None]]:
    """DNS name and address of each record of a list."""
    return {(record.dns_name, record.ip_address) for record in parse_trust_list(path.read_bytes()).records}


def loaded(admin: Administrator, unit: Purpose) -> x509.Certificate:
    """An own certificate of the publisher."""
    der = admin.situation().own(unit)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def steps(lines: list[str]) -> list[str]:
    """The numbered steps that a command prints."""
    return [line.strip().partition(". ")[2] for line in lines if line.strip()[:1].isdigit()]


def test_renamed_publisher(admin: Administrator) -> None:
    """Database, ITL and, after the update, CTL have the new name and address; keys and certificates stay."""
    before = {entry.certificate.der for entry in admin.situation().entries}
    done = admin.does("set", "node", "rename", OLD.upper(), NEW, "--address", "192.0.2.20", answer="y\n")
    assert f"Successfully renamed node {OLD.upper()} to {NEW} with address 192.0.2.20." in done.lines
    assert names(admin.state.itl_file) == {(NEW, "192.0.2.20")}
    assert names(admin.state.ctl_file) == {(OLD, "127.0.0.1")}
    admin.does(*UPDATE)
    assert names(admin.state.ctl_file) == {(NEW, "192.0.2.20")}
    assert {entry.certificate.der for entry in admin.situation().entries} == before
    assert {entry.node for entry in admin.situation().entries} == {NEW}
    rows = admin.does("run", "sql", "select distinct servername, ipv4address from certificate").lines[2:]
    assert rows == [f"{NEW} 192.0.2.20"]
    assert "list-outdated" not in admin("ctl", "plan").out


def test_steps_after_the_publisher_was_renamed(admin: Administrator) -> None:
    """CTL, phones' configuration, then certificates one at a time, TVS last; ITLRecovery stays. Each command works."""
    done = admin.does("set", "node", "rename", OLD, NEW, "--address", "192.0.2.20", "-y")
    found = steps(done.lines)
    assert found[0].endswith("tvs utils ctl update CTLFile")
    assert "127.0.0.1 becomes 192.0.2.20" in found[1]
    regenerated = [step.partition("tvs set cert regen ")[2].partition(";")[0] for step in found if "regen" in step]
    assert regenerated == ["CallManager", "CAPF", "TVS"]
    assert all("let all phones register" in step for step in found if "regen" in step)
    admin.does(*UPDATE)
    for unit in regenerated:
        admin.does("set", "cert", "regen", unit, "-y", "--held", "current")
        admin.does(*UPDATE, "--held", "current")
    for unit in (Purpose.CallManager, Purpose.TVS):
        assert loaded(admin, unit).subject.rfc4514_string() == f"CN={NEW},OU=TAC,O=Cisco"
    again = admin.does(
        "set", "node", "rename", NEW, NEW, "--address", "192.0.2.21", "-y", "--held", "current", "--json"
    )
    facts = json.loads(again.out[again.out.index("{") :])
    assert [node["address"] for node in facts["nodes"]] == ["192.0.2.21"]
    assert [step for step in facts["next_steps"] if "DNS" in step] == []
    assert sum("regen" in step for step in facts["next_steps"]) == 3, "they have the old address"


def test_steps_by_kind_of_ctl_file(admin: Administrator, with_tokens: bytes) -> None:
    """A CTL file that tokens sign is updated with them; without a CTL file there is nothing to update."""
    before = admin.situation()
    after = propose_rename(admin.state, before, OLD, NEW).after
    tokens = next_steps(before, replace(after, ctl=with_tokens))
    assert tokens[0].endswith("tvs utils ctl update CTLFile --token URI")
    assert sum("CTLFile --token URI" in step for step in tokens) == 3
    assert not any("CTLFile" in step for step in next_steps(before, replace(after, ctl=None)))
    assert next_steps(before, before) == []


def test_certificates_that_name_the_node_need_no_step(admin: Administrator) -> None:
    """Certificates that were made with the node's present name and address are not among the steps."""
    admin.does("set", "node", "rename", OLD, OLD, "--address", "192.0.2.20", "-y")
    for unit in ("CallManager", "CAPF", "TVS"):
        admin.does("set", "cert", "regen", unit, "-y", "--force")
    done = admin.does("set", "node", "rename", OLD, OLD.upper(), "-y", "--force")
    assert "regen" not in done.out


@pytest.mark.parametrize("words", [("add", OLD.upper()), ("rename", OLD, OLD)], ids=" ".join)
def test_another_address_of_the_publisher(admin: Administrator, words: tuple[str, ...]) -> None:
    """`set node add` of the publisher's own name changes its address, as `set node rename` does."""
    answer = () if words[0] == "add" else ("-y",)
    done = admin.does("set", "node", *words, "--address", "2001:db8::1", *answer)
    assert "What must follow, in this order:" in done.lines
    (node,) = admin.situation().nodes
    assert (node.name, node.address, node.publisher) == (OLD, "2001:db8::1", True)
    assert names(admin.state.itl_file) == {(OLD, "2001:db8::1")}


def test_renamed_subscriber(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """Its certificates, their names and descriptions, and its records follow; the steps name the node's own part."""
    add_node(admin, other, tmp_path)
    admin.does(*UPDATE)
    done = admin.does("set", "node", "rename", "cucm-1051-a-sub1", "sub2", "-y")
    own = admin.does("show", "cert", "list", "own").lines
    assert "TVS/TVS_sub2.pem: TVS of sub2" in own
    assert "CallManager/CallManager_sub2.pem: CallManager of sub2" in own
    assert ("sub2", "127.0.0.2") in names(admin.state.itl_file)
    admin.does(*UPDATE)
    assert ("sub2", "127.0.0.2") in names(admin.state.ctl_file)
    imports = [step for step in steps(done.lines) if "tvs set cert import own" in step]
    assert [step.partition("import own ")[2].partition(" FILE --node sub2")[0] for step in imports] == [
        "CallManager",
        "TVS",
    ]
    admin.does("set", "node", "delete", "sub2", "-y")
    assert len(admin.does("show", "cert", "list", "own").lines) == 4


def test_plan_stops_a_renaming(admin: Administrator) -> None:
    """It is planned like every change: a list that phones cannot load stops it, and nothing is different."""
    admin.state.ctl_file.write_bytes(admin.state.ctl_file.read_bytes()[:-7])
    before = admin.situation()
    done = admin("set", "node", "rename", OLD, NEW, "-y")
    assert done.status == 1
    assert "phones would be lost; nothing was changed" in done.err
    assert admin.situation() == before
    assert admin("set", "node", "rename", OLD, NEW, answer="n\n").status == 1


@pytest.mark.parametrize(
    ("unit", "common_name"),
    [
        (Purpose.CallManager, NEW),
        (Purpose.TVS, NEW),
        (Purpose.ITLRecovery, f"ITLRECOVERY_{NEW}"),
        (Purpose.CallManager_ECDSA, f"{NEW}-EC"),
    ],
)
def test_subject_after_a_renaming(admin: Administrator, unit: Purpose, common_name: str) -> None:
    """A CN made of the old host name gets the new one; within 64 characters, of which a domain is the first to go."""
    if unit is Purpose.CallManager_ECDSA:
        admin.does("set", "cert", "regen", unit, "-y")
    der = admin.situation().own(unit)
    assert der is not None
    assert subject_for(der, NEW).rfc4514_string() == f"CN={common_name},OU=TAC,O=Cisco"
    assert subject_for(der, OLD) == x509.load_der_x509_certificate(der).subject
    long = f"{NEW}.{'x' * 60}.example.com"
    assert subject_for(der, long).rfc4514_string() == f"CN={common_name},OU=TAC,O=Cisco"


def test_subject_that_is_not_a_host_name(admin: Administrator) -> None:
    """A CN of its own, such as CAPF's, stays; in requests as well."""
    der = admin.situation().own(Purpose.CAPF)
    assert der is not None
    assert subject_for(der, NEW) == x509.load_der_x509_certificate(der).subject
    admin.does("set", "node", "rename", OLD, NEW, "-y")
    request = x509.load_pem_x509_csr(admin.does("set", "csr", "gen", "TVS").out.encode())
    assert request.subject.rfc4514_string() == f"CN={NEW},OU=TAC,O=Cisco"


async def test_phones_after_a_renaming(for_all: Administrator, serve: Callable[..., Running]) -> None:
    """Every kind of phone takes the lists of the renamed publisher by its own list: the signer stays."""
    held = held_by_phones(for_all)
    for_all.does("set", "node", "rename", OLD, NEW, "--address", "127.0.0.9", "-y")
    for_all.does(*UPDATE)
    outcomes = await agree(for_all, serve(for_all.state), held)
    assert [ctl.decision for ctl, _ in outcomes.values()] == [Decision.OWN_LIST] * 3
