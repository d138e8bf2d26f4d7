"""Nodes of the cluster, with each node's certificates in the lists."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

from certstore.generations import NodeReport
from certstore.opening import open_store
from certstore.purposes import Purpose
from certstore.store import Node
from ctlcache.trustlist import parse_trust_list
from proto.roles import TrustRole
from tests.fixtures.administrator import command
from tests.fixtures.certificates import twin
from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.joined import Nodes


def certificate_file(of: Administrator, unit: str, path: Path) -> Path:
    """A node's own certificate as a file, as its administrator hands it on."""
    path.write_text(of.does("show", "cert", "own", unit, "--pem").out)
    return path


def add_node(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """The other machine as a node of the cluster."""
    call_manager = certificate_file(other, "CallManager", tmp_path / "CallManager.pem")
    tvs = certificate_file(other, "TVS", tmp_path / "TVS.pem")
    done = admin.does(
        "set", "node", "add", "cucm-1051-a-sub1", "--address", "127.0.0.2",
        "--call-manager", call_manager, "--tvs", tvs,
    )  # fmt: skip
    assert done.lines == ["Successfully added node cucm-1051-a-sub1."]


def test_a_node_in_the_lists(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """The ITL gets its TVS at once; the CTL its CallManager behind CAPF, with the update."""
    add_node(admin, other, tmp_path)
    their = other.situation()
    itl = parse_trust_list(admin.state.itl_file.read_bytes())
    servers = [record for record in itl.records if record.function == TrustRole.TVS]
    assert [record.dns_name for record in servers] == ["cucm-1051-a-pub", "cucm-1051-a-sub1"]
    assert servers[1].certificate == their.own(Purpose.TVS)
    assert "list-outdated" in admin("ctl", "plan").out
    admin.does("utils", "ctl", "update", "CTLFile", "-y")
    ctl = parse_trust_list(admin.state.ctl_file.read_bytes())
    assert [(record.function, record.dns_name) for record in ctl.records] == [
        (TrustRole.SAST, "cucm-1051-a-pub"),
        (TrustRole.CCM_TFTP, "cucm-1051-a-pub"),
        (TrustRole.CAPF, "cucm-1051-a-pub"),
        (TrustRole.CCM_TFTP, "cucm-1051-a-sub1"),
    ]
    assert ctl.records[3].certificate == their.own(Purpose.CallManager)
    assert ctl.records[3].ip_address == "127.0.0.2"
    assert "list-outdated" not in admin("ctl", "plan").out


def test_show_nodes(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """The table names publisher and subscribers; JSON has the same."""
    add_node(admin, other, tmp_path)
    lines = admin.does("show", "nodes").lines
    assert lines[0].split() == ["Name", "Address", "Type", "CallManager", "TVS"]
    assert [line.split()[:3] for line in lines[2:]] == [
        ["cucm-1051-a-pub", "127.0.0.1", "Publisher"],
        ["cucm-1051-a-sub1", "127.0.0.2", "Subscriber"],
    ]
    nodes = json.loads(admin.does("show", "nodes", "--json").out)
    assert [node["type"] for node in nodes] == ["Publisher", "Subscriber"]


def test_a_node_goes(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """Its certificates leave the database and the ITL with it."""
    before = parse_trust_list(admin.state.itl_file.read_bytes()).records
    add_node(admin, other, tmp_path)
    done = admin.does("set", "node", "delete", "CUCM-1051-A-SUB1", answer="y\n")
    assert "Successfully deleted node CUCM-1051-A-SUB1." in done.lines
    assert [r.elements for r in parse_trust_list(admin.state.itl_file.read_bytes()).records] == [
        r.elements for r in before
    ]
    assert len(admin.does("show", "cert", "list", "own").lines) == 4


def test_what_follows_a_deletion(nodes: Nodes) -> None:
    """The CTL file, phones' configuration and the service, in this order; without certificates only the second."""
    done = nodes.publisher.does("set", "node", "delete", "sub1", "-y")
    head = done.lines.index("What must follow, in this order:")
    ctl, phones, service = done.lines[head + 1 : head + 4]
    assert ctl == "  1. the CTL file has the certificates of sub1 until: tvs utils itl update"
    assert phones.startswith("  2. phones' configuration files (SEP<MAC>.cnf.xml) that name sub1 or 127.0.0.2; then ")
    assert service.startswith("  3. on sub1, if its service still runs, ")
    assert b"sub1" in nodes.publisher.state.ctl_file.read_bytes()
    nodes.publisher.does("utils", "itl", "update", "-y")
    assert b"sub1" not in nodes.publisher.state.ctl_file.read_bytes()
    nodes.publisher.does("set", "node", "add", "sub3", "--address", "127.0.0.4")
    facts = json.loads(nodes.publisher.does("set", "node", "delete", "SUB3", "-y", "--json").out)
    (only,) = facts["next_steps"]
    assert "that name sub3 or 127.0.0.4" in only


def test_a_node_s_new_certificate(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """A node that made a new TVS certificate hands it on; the ITL has it then. Its key stays with the node."""
    add_node(admin, other, tmp_path)
    keys = sorted(path.name for path in admin.state.keys.iterdir())
    other.does("set", "cert", "regen", "TVS", "-y")
    new = certificate_file(other, "TVS", tmp_path / "new.pem")
    admin.does("set", "cert", "import", "own", "TVS", new, "--node", "cucm-1051-a-sub1")
    itl = parse_trust_list(admin.state.itl_file.read_bytes())
    servers = [record.certificate for record in itl.records if record.function == TrustRole.TVS]
    assert servers == [admin.situation().own(Purpose.TVS), other.situation().own(Purpose.TVS)]
    assert sorted(path.name for path in admin.state.keys.iterdir()) == keys


def test_show_nodes_that_report(
    admin: Administrator, other: Administrator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Generation, state and staleness are shown if any node has reported; one without a report does not run."""
    add_node(admin, other, tmp_path)
    assert "Generation" not in admin.does("show", "nodes").out
    with closing(admin.state.store()) as store:
        number = store.generation().number
        pub, sub = (node.name for node in store.nodes())
        stop = threading.Event()

        def report() -> None:
            counter = 0
            while not stop.wait(0.05):
                counter += 1
                store.report(NodeReport(node=pub, generation=number - 1, staleness=12.34, counter=counter, problem="x"))

        reporting = threading.Thread(target=report)
        reporting.start()
        try:
            wait_until(store.reports, "the first report")
            monkeypatch.setattr("tvs.cli.show.nodes.PATIENCE", PATIENCE)
            lines = admin.does("show", "nodes").lines
            nodes = json.loads(admin.does("show", "nodes", "--json").out)
        finally:
            stop.set()
            reporting.join()
        assert lines[0].split()[-3:] == ["Generation", "State", "Staleness"]
        assert lines[2].split()[-4:] == [str(number - 1), "behind", "12.3", "s"]
        assert lines[3].rstrip().endswith("no service seen")
        assert lines[-1] == f"{pub}: x"
        assert [(node["state"], node["generation"]) for node in nodes] == [("behind", number - 1), ("absent", None)]
        monkeypatch.undo()
        store.report(NodeReport(node=sub, generation=number, staleness=0.5, counter=7))
        nodes = json.loads(admin.does("show", "nodes", "--json").out)
        assert [node["state"] for node in nodes] == ["unknown", "unknown"], "neither counter moves"
        lines = admin.does("show", "nodes").lines
        assert [line.split()[-3:] for line in lines[2:4]] == [["no", "report", "now"]] * 2
        assert lines[4] == (
            "no report now: none came in the 2.5 s for which this command watched; for how long before, is not known"
        )


def test_show_more_nodes_than_a_status_has(admin: Administrator) -> None:
    """Every node is in the table, however many there are, with its own state."""
    with admin.store() as store:
        (pub,) = store.nodes()
        number = store.generation().number
        store.report(NodeReport(node=pub.name, generation=number, staleness=0.5, counter=7))
        store.report(NodeReport(node="SUB1000", generation=number, staleness=0.5, counter=7, problem="x"))
    with closing(sqlite3.connect(admin.state.database)) as connection, connection:
        rows = [(f"sub{count:04}", "", 1) for count in range(1002)]
        connection.executemany("INSERT INTO processnode (name, address, tknodeusage) VALUES (?, ?, ?)", rows)
    nodes = json.loads(admin.does("show", "nodes", "--json").out)
    assert len(nodes) == 1003
    reporting = [(node["name"], node["state"]) for node in nodes if node["state"] != "absent"]
    assert reporting == [(pub.name, "unknown"), ("sub1000", "unknown")]
    assert admin.does("show", "nodes").lines[-1] == "sub1000: x"


def test_a_node_that_joins_while_nodes_are_shown(admin: Administrator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has the nodes of one moment, each with its own state."""
    with admin.store() as store:
        (pub,) = store.nodes()
        store.report(NodeReport(node=pub.name, generation=1, staleness=0.5, counter=7))
        monkeypatch.setattr("tvs.cli.show.nodes.PATIENCE", 0.0)
        joins = Node(name="sub", address="", publisher=False)
        monkeypatch.setattr(type(store), "reports", _first(lambda: store.add_node(joins), type(store).reports))
        nodes = json.loads(admin.does("show", "nodes", "--json").out)
    assert [(node["name"], node["state"]) for node in nodes] == [(pub.name, "unknown")]


def _first(begin: Callable[[], None], call: Callable[..., object]) -> Callable[..., object]:
    """A function that does something else when it is called first."""
    waiting = [begin]

    def doing(*arguments: object) -> object:
        while waiting:
            waiting.pop()()
        return call(*arguments)

    return doing


def test_show_no_nodes(tmp_path: Path) -> None:
    """A database without nodes has an empty table."""
    open_store(str(tmp_path / "tvs.db"), create=True).close()
    shown = command("show", "nodes", "--state", tmp_path)
    assert (shown.status, len(shown.lines)) == (0, 2), shown.err
    assert json.loads(command("show", "nodes", "--state", tmp_path, "--json").out) == []


def test_what_cannot_be_done_with_nodes(admin: Administrator, other: Administrator, tmp_path: Path) -> None:
    """Names and addresses that are taken, the publisher, missing nodes: status 1; odd ones are wrong usage: 2."""
    add_node(admin, other, tmp_path)
    twin_file = tmp_path / "twin.der"
    twin_file.write_bytes(twin(other.situation().own(Purpose.CallManager) or b""))
    itl = admin.state.itl_file.read_bytes()
    for words, sentence in (
        (("add", "cucm-1051-a-sub1", "--address", "127.0.0.3"), "there is a node"),
        (("add", "x", "--address", "127.0.0.2"), "cucm-1051-a-sub1 has the address 127.0.0.2 already"),
        (("add", "cucm-1051-a-pub", "--address", "127.0.0.2"), "cucm-1051-a-sub1 has the address 127.0.0.2 already"),
        (("add", "cucm-1051-a-pub", "--address", "127.0.0.3", "--tvs", tmp_path / "TVS.pem"), "is the publisher"),
        (("add", "x", "--address", "127.0.0.3", "--call-manager", twin_file), "another certificate with serial number"),
        (("add", "x", "--address", "nowhere"), "is not an IPv4 or IPv6 address"),
        (("add", "not a name", "--address", "127.0.0.3"), "cannot be a node's name"),
        (("delete", "cucm-1051-a-pub", "-y"), "is the publisher"),
        (("delete", "cucm-1051-a-sub9", "-y"), "there is no node"),
        (("rename", "cucm-1051-a-sub9", "x", "-y"), "there is no node cucm-1051-a-sub9"),
        (("rename", "cucm-1051-a-sub1", "CUCM-1051-A-PUB", "-y"), "there is a node cucm-1051-a-pub already"),
        (("rename", "cucm-1051-a-pub", "x", "--address", "127.0.0.2", "-y"), "has the address 127.0.0.2 already"),
        (("rename", "cucm-1051-a-sub1", "cucm-1051-a-sub1", "-y"), "has this name and address already"),
        (("rename", "cucm-1051-a-sub1", "-x", "--address", "127.0.0.3", "-y"), "arguments are required"),
        (("rename", "cucm-1051-a-sub1", "a b", "-y"), "cannot be a node's name"),
        (("rename", "cucm-1051-a-sub1", "x", "--address", "127.0.0.256", "-y"), "is not an IPv4 or IPv6 address"),
    ):
        done = admin("set", "node", *words)
        is_usage = any(text in sentence for text in ("not an IPv4", "a node's name", "are required"))
        assert done.status == (2 if is_usage else 1), words
        assert "warning" not in done.err, "errors come before the plan"
        assert sentence in done.err
        assert admin.state.itl_file.read_bytes() == itl
    assert admin("set", "node", "add", "no-address").status == 2


def test_a_node_without_certificates(admin: Administrator) -> None:
    """It may be added first and get its certificates later; until then the plan says what is missing."""
    done = admin.does("set", "node", "add", "cucm-1051-a-sub1", "--address", "127.0.0.2")
    assert done.err.count("node-without-certificate") == 2
    assert "--node cucm-1051-a-sub1" in done.err
