"""Commands that wait until the nodes of the cluster serve their change, on each kind of database."""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from certstore.generations import NodeReport
from tests.fixtures.administrator import PUBLISHER, Administrator, command
from tests.fixtures.generations import generation
from tests.fixtures.postgres import new_server
from tests.fixtures.reporting import current, node_of, reporting
from tests.fixtures.running import PATIENCE, run_tvs
from tests.fixtures.stores import PostgresDatabase, database, url
from tests.fixtures.terminal import CTRL_C, terminal
from tvs.cluster.nodestates import LIVE, MOST
from tvs.manage.provision import initialise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from certstore.store import CertificateStore
    from tests.fixtures.postgres import Server
    from tests.fixtures.terminal import Terminal

__all__ = ["database", "url"]

PUB = PUBLISHER.name
DONE = "The trust lists are signed with SHA-256. Phones fetch them when they restart."
NOT_REACHED = "its service was killed, hangs or lost its database; it takes the change when it is back"
NOT_SEEN = "none runs there, or one that was started without the database answers as before until it has it"


@pytest.fixture
def cluster(url: str, tmp_path: Path) -> Administrator:
    """The administrator of a cluster of three nodes on a database of each kind; no service runs."""
    admin = Administrator(initialise(tmp_path / "state", PUBLISHER, store=url))
    for number in (1, 2):
        admin.does("set", "node", "add", f"sub{number}", "--address", f"192.0.2.{number}")
    return admin


def in_use(line: str) -> tuple[int, int]:
    """Nodes that confirmed, and nodes with a service, of the line about them."""
    found = re.fullmatch(r"In use on (\d+) of (\d+) nodes after \d+\.\d s", line)
    assert found is not None, line
    return int(found[1]), int(found[2])


def stays_at(number: int) -> Callable[[CertificateStore], int]:
    """What a node serves that does not follow."""
    return lambda _: number


def left_over(admin: Administrator, name: str, number: int = 2**40) -> None:
    """The report of a node that crashed."""
    with admin.store() as store:
        store.report(NodeReport(node=name, generation=number, staleness=0.0, counter=5))


# -- all is well -----------------------------------------------------------------------------------------------------


def test_every_node_confirms(cluster: Administrator) -> None:
    """The command ends when all nodes with a service serve its change; one without is named, and not waited for."""
    with reporting(node_of(cluster.state, PUB), node_of(cluster.state, "SUB2")):
        done = cluster.does("set", "digest", "sha256")
        assert done.lines[0] == DONE
        assert in_use(done.lines[1]) == (2, 2)
        assert done.lines[2:] == [f"No service seen: sub1 ({NOT_SEEN})"]
        shown = json.loads(cluster.does("set", "digest", "sha1", "--json").out)
    confirmation = shown["confirmation"]
    assert (shown["done"], confirmation["complete"]) == (True, True)
    assert confirmation["generation"] == generation(cluster.state).number
    steps = {node["node"]: (node["step"], node["generation"]) for node in confirmation["nodes"]}
    number = confirmation["generation"]
    assert steps == {PUB: ("confirmed", number), "sub1": ("no_service", None), "sub2": ("confirmed", number)}
    seconds = [node["seconds"] for node in confirmation["nodes"] if node["step"] == "confirmed"]
    assert all(0 <= one <= confirmation["seconds"] <= PATIENCE for one in seconds)
    assert in_use(confirmation["sentences"][0]) == (2, 2)


def test_no_service(cluster: Administrator) -> None:
    """While no service runs anywhere, nothing is said; JSON says that none confirmed."""
    done = cluster.does("set", "digest", "sha256")
    assert done.lines == [DONE]
    confirmation = json.loads(cluster.does("set", "digest", "sha1", "--json").out)["confirmation"]
    assert confirmation["sentences"] == ["No service seen on any node"]
    assert confirmation["complete"]
    assert {node["step"] for node in confirmation["nodes"]} == {"no_service"}


def test_a_renamed_node(cluster: Administrator) -> None:
    """A node that gets another name is waited for under the new one; its report under the old one is deleted."""
    node = node_of(cluster.state, "sub1")

    def serves(store: CertificateStore) -> int:
        names = [one.name for one in store.nodes()]
        node.name = "sub1" if "sub1" in names else "sub9"
        return store.generation().number

    node.serves = serves
    with reporting(node):
        done = cluster.does("set", "node", "rename", "sub1", "sub9", "-y")
    assert [in_use(line) for line in done.lines if line.startswith("In use")] == [(1, 1)]
    with cluster.store() as store:
        assert "sub9" in [report.node for report in store.reports()]


def test_a_deleted_node(cluster: Administrator) -> None:
    """A node that is deleted is not waited for, and its report is deleted with it."""
    left_over(cluster, "sub1")
    with reporting(node_of(cluster.state, PUB)):
        done = cluster.does("set", "node", "delete", "sub1", "-y")
    assert [in_use(line) for line in done.lines if line.startswith("In use")] == [(1, 1)]
    with cluster.store() as store:
        assert [report.node for report in store.reports()] == [PUB]


def test_the_prompt(cluster: Administrator) -> None:
    """The prompt shows the same."""
    with reporting(node_of(cluster.state, PUB)):
        done = command("admin", "-c", "set digest sha256", "--state", cluster.state.path)
    assert done.status == 0
    assert done.lines[0] == DONE
    assert in_use(done.lines[1]) == (1, 1)


# -- nodes that do not confirm ---------------------------------------------------------------------------------------


def tvs_command(admin: Administrator, *words: str) -> list[str]:
    """A command line for a process of its own."""
    return [sys.executable, "-m", "tvs", *words, "--state", str(admin.state.path)]


def waiting(admin: Administrator, *names: str) -> AbstractContextManager[Terminal]:
    """A command on a terminal, as soon as it says that it waits for these nodes."""
    return terminal(tvs_command(admin, "set", "digest", "sha256"), prompt=f"  waiting for {', '.join(names)}\n")


def test_nodes_that_do_not_confirm(cluster: Administrator) -> None:
    """After a limited time the command names the nodes, and ends with status 4; others can change meanwhile."""
    number = generation(cluster.state).number
    left_over(cluster, "sub2")
    behind = node_of(cluster.state, "sub1", stays_at(number), problem="the disk is full")
    with reporting(node_of(cluster.state, PUB), behind), waiting(cluster, "sub1", "sub2") as first:
        other = run_tvs("set", "digest", "sha1", "--json", "--state", cluster.state.path)
        status = first.end()
    assert status == 4
    lines = first.shown.splitlines()
    assert lines[lines.index(DONE) + 1] == "  waiting for sub1, sub2"
    last = lines.index(f"Not confirmed: sub1 (generation {number} of {number + 1}: the disk is full)")
    assert in_use(lines[last - 1]) == (1, 3)
    assert lines[last + 1 :] == [f"Not reached: sub2 ({NOT_REACHED})"]
    made = json.loads(other.stdout)
    assert (other.returncode, made["done"], made["confirmation"]["complete"]) == (4, True, False)
    steps = {node["node"]: node["step"] for node in made["confirmation"]["nodes"]}
    assert steps == {PUB: "confirmed", "sub1": "not_confirmed", "sub2": "not_reached"}
    assert generation(cluster.state).number == number + 2


def test_a_node_that_was_dead_before(cluster: Administrator) -> None:
    """A node whose last report is older than many of the others is named at once; it is waited for when it is back."""
    left_over(cluster, "sub1")
    with cluster.store() as store:
        for counter in range(3 * MOST):
            store.report(NodeReport(node=PUB, generation=1, staleness=0.0, counter=counter))
    with reporting(node_of(cluster.state, PUB)):
        done = cluster("set", "digest", "sha256", "--json")
        confirmation = json.loads(done.out)["confirmation"]
        assert (done.status, confirmation["complete"]) == (4, False)
        assert {node["node"]: node["step"] for node in confirmation["nodes"]} == {
            PUB: "confirmed",
            "sub1": "not_reached",
            "sub2": "no_service",
        }
        assert confirmation["seconds"] < LIVE
        assert confirmation["sentences"][1] == f"Not reached: sub1 ({NOT_REACHED})"
        states = {node["name"]: node.get("state") for node in json.loads(cluster.does("show", "nodes", "--json").out)}
        assert states["sub1"] == "silent"
        with reporting(node_of(cluster.state, "sub1")):
            assert in_use(cluster.does("set", "digest", "sha1").lines[1]) == (2, 2)


def test_no_wait(cluster: Administrator) -> None:
    """With --no-wait no node is asked; requests and kinds of phones change nothing that nodes serve."""
    with reporting(node_of(cluster.state, PUB, stays_at(0))):
        assert cluster.does("set", "digest", "sha256", "--no-wait").lines == [DONE]
        assert json.loads(cluster.does("set", "digest", "sha1", "--no-wait", "--json").out)["confirmation"] is None
        assert cluster.does("set", "phones", "with-tvs").lines == ["The cluster has: with-tvs"]
        assert cluster.does("set", "csr", "gen", "TVS").lines[-1] == "-----END CERTIFICATE REQUEST-----"


def test_ctrl_c(cluster: Administrator) -> None:
    """Ctrl-C ends the wait: the change is made, and the command says so."""
    number = generation(cluster.state).number
    with reporting(node_of(cluster.state, PUB, stays_at(number))), waiting(cluster, PUB) as shown:
        shown.type(CTRL_C)
        assert shown.end() == 130
    lines = shown.shown.splitlines()
    assert f"Not confirmed: {PUB} (generation {number} of {number + 1})" in lines
    assert lines[-1] == (
        f"tvs: the change is made, as generation {number + 1}; which nodes use it was not waited for: tvs show nodes"
    )
    assert generation(cluster.state).number == number + 1


# -- the database is lost --------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test's own."""
    with new_server() as made:
        yield made


@pytest.fixture
def on_server(server: Server, tmp_path: Path) -> Administrator:
    """The administrator of a cluster of one node on that server."""
    database = PostgresDatabase(server)
    database.make_empty()
    return Administrator(initialise(tmp_path / "state", PUBLISHER, store=database.setting(tmp_path)))


def test_the_database_is_lost_during_the_wait(on_server: Administrator, server: Server) -> None:
    """The change is made and not confirmed: status 4 and a sentence; nothing is taken back."""
    number = generation(on_server.state).number
    with reporting(node_of(on_server.state, PUB, stays_at(number))), waiting(on_server, PUB) as shown:
        server.stop(signal.SIGKILL)
        assert shown.end() == 4
    server.start()
    assert (
        f"tvs: the change is made, as generation {number + 1}, but which nodes use it cannot be read: postgresql:"
        in (shown.shown)
    )
    assert shown.shown.endswith("; later: tvs show nodes\n")
    assert generation(on_server.state).number == number + 1


def test_the_database_comes_back_during_the_wait(on_server: Administrator, server: Server) -> None:
    """A server that was killed has lost the reports; when it is back, nodes report again, and the wait goes on."""
    number = generation(on_server.state).number
    node = node_of(on_server.state, PUB, stays_at(number))
    with reporting(node), waiting(on_server, PUB) as shown:
        server.stop(signal.SIGKILL)
        node.serves = current
        server.start()
        assert shown.end() == 0
    assert in_use(shown.shown.splitlines()[-1]) == (1, 1)


def test_reports_that_cannot_be_read(admin: Administrator) -> None:
    """A file of reports that is refused keeps nobody from a change; which nodes use it cannot be said then."""
    left_over(admin, PUB)
    file = admin.state.path / "tvs-nodes.db"
    file.chmod(0o666)
    done = admin("set", "digest", "sha256")
    assert (done.status, done.lines) == (4, [DONE])
    assert "as generation 2, but which nodes use it cannot be read: " in done.err
    assert "every user may write to the database" in done.err
    assert generation(admin.state).number == 2
