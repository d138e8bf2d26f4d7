"""Services of nodes that have joined a cluster, over real TLS: own certificates, deleted nodes, another publisher."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from certstore.purposes import Purpose
from tests.fixtures.administrator import command
from tests.fixtures.joined import made_nodes, make_nodes, nodes
from tests.fixtures.reporting import node_of, reporting
from tests.fixtures.running import PATIENCE, services, wait_until
from tests.fixtures.stores import database, url
from tests.manage.test_nodes import certificate_file
from tvs.client.trust import ServerTrust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.joined import Nodes
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

__all__ = ["database", "made_nodes", "nodes", "url"]

PUBLISHER = "cucm-1051-a-pub"
SUBJECT = "CN=ITLRECOVERY_cucm-1051-a-pub;OU=TAC;O=Cisco"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A function that starts services; they end with the test."""
    with services(tmp_path) as start_service:
        yield start_service


@pytest.fixture
def of_each_kind(url: str, tmp_path_factory: pytest.TempPathFactory) -> Nodes:
    """A cluster of three nodes in a database of each kind."""
    return make_nodes(tmp_path_factory.mktemp("each"), url)


def own(admin: Administrator, name: str) -> bytes:
    """The TVS certificate of a node in the database, X.509 DER."""
    return admin.situation().require(Purpose.TVS, name)


def presented(service: Running, openssl: str, trusted: Path) -> x509.Certificate:
    """The certificate that a service presents, verified by openssl with the only one that a file trusts."""
    words = ("-connect", f"127.0.0.1:{service.endpoint.port}", "-CAfile", str(trusted), "-verify_return_error")
    done = subprocess.run(
        [openssl, "s_client", *words], input="", capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr
    return x509.load_pem_x509_certificate(done.stdout.encode()[done.stdout.index("-----BEGIN") :])


def query(admin: Administrator, service: Running, trust: Path) -> tuple[int, str]:
    """Status and output of `tvs query` about the signer of the CTL file."""
    ctl = admin.state.ctl_file
    words = ("query", "--server", f"127.0.0.1:{service.endpoint.port}", "--trust", trust, "--ctl", ctl)
    done = command(*words)
    return done.status, done.out + done.err


def test_a_joined_node_answers_with_its_own_certificate(
    of_each_kind: Nodes, start: Callable[..., Running], tmp_path: Path, require_program: RequireProgram
) -> None:
    """openssl verifies what it presents, and a phone with the publisher's ITL file is answered by it."""
    nodes = of_each_kind
    nodes.sub1.does("set", "phones", "with-tvs")
    service = start(nodes.sub1.state)
    certificate = x509.load_der_x509_certificate(own(nodes.sub1, "sub1"))
    file = tmp_path / "sub1.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    assert presented(service, require_program("openssl"), file) == certificate
    status, said = query(nodes.sub1, service, nodes.publisher.state.itl_file)
    assert (status, said.splitlines()[:2]) == (0, ["Trusted", f"  Subject       {SUBJECT}"])
    for name in ("sub1", "sub9"):
        names = {"TVS.pem": None, f"TVS_{name}.pem": True, "TVS_sub2.pem": None}
        wait_until(lambda: shown(nodes.sub1, service) == names, f"the status report names {name}")  # noqa: B023 - waited for
        found = status_of(nodes.sub1, service)["presented"]
        assert (found["in_database"], found["in_itl"]) == (True, True)
        if name == "sub1":
            nodes.publisher.does("set", "node", "rename", "sub1", "sub9", "-y")


def shown(admin: Administrator, service: Running) -> dict[str, bool | None]:
    """Which TVS certificate is presented, by name, in the status report of a service."""
    return {own["name"]: own["presented"] for own in status_of(admin, service)["certificates"] if own["unit"] == "TVS"}


def advice(admin: Administrator, service: Running) -> dict[str, str]:
    """What the verdict on a service advises, by code."""
    return {found["code"]: found["advice"] for found in status_of(admin, service)["verdict"]["findings"]}


def shown_status(admin: Administrator, service: Running) -> str:
    """The status of a service as people read it."""
    return admin("show", "status", "--admin", f"127.0.0.1:{service.admin.port}").out


def status_of(admin: Administrator, service: Running) -> dict[str, Any]:
    """The status report of a service."""
    done = admin.does("show", "status", "--admin", f"127.0.0.1:{service.admin.port}", "--json")
    report: dict[str, Any] = json.loads(done.out)
    return report


def document(service: Running) -> dict[str, Any]:
    """`/status.json`."""
    with urllib.request.urlopen(f"http://{service.admin}/status.json", timeout=PATIENCE) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_deleted_node_goes_on_answering(nodes: Nodes, start: Callable[..., Running]) -> None:
    """While it runs and when it starts again: from what it has, with a sentence that says it was deleted."""
    service = start(nodes.sub1.state)
    wait_until(nodes.sub1.state.last_good.exists, "the copy of the database is there")
    old_itl = nodes.sub1.state.itl_file
    nodes.publisher.does("set", "node", "delete", "sub1", "-y")
    service.reload()
    service.wait_for_line("reload_refused")
    refused = next(line for line in service.lines() if "reload_refused" in line)
    assert f"is not a node of the cluster of {PUBLISHER}" in refused
    assert query(nodes.sub1, service, old_itl)[0] == 0
    wait_until(lambda: "node_deleted" in advice(nodes.sub1, service), "the verdict")
    assert not any("SIGHUP" in said for code, said in advice(nodes.sub1, service).items() if code != "reload_failed")
    assert "of a node that was deleted from the cluster" in shown_status(nodes.sub1, service)
    assert service.stop() == 0
    again = start(nodes.sub1.state)
    again.wait_for_line("db_copy_in_use")
    said = next(line for line in again.lines() if "db_copy_in_use" in line)
    assert f"is not a node of the cluster of {PUBLISHER}" in said
    status, text = query(nodes.sub1, again, old_itl)
    assert (status, text.splitlines()[0]) == (0, "Trusted")


def test_a_deleted_node_reports_no_more(of_each_kind: Nodes, start: Callable[..., Running]) -> None:
    """Its report goes once, and that of another machine under the name stays; it reports anew if it is added again."""
    nodes = of_each_kind
    service = start(nodes.sub1.state)
    with closing(nodes.publisher.state.store()) as store:

        def names() -> list[str]:
            return [report.node for report in store.reports()]

        wait_until(lambda: names() == ["sub1"], "the first report")
        files = {unit: nodes.sub1.state.path.parent / f"{unit}.pem" for unit in ("CallManager", "TVS")}
        for unit, file in files.items():
            certificate_file(nodes.sub1, unit, file)
        nodes.publisher.does("set", "node", "delete", "sub1", "-y")
        wait_until(lambda: document(service)["cluster"]["node"] == "", "the service without a node")
        assert names() == []
        with reporting(node_of(nodes.publisher.state, "sub1")):
            until = time.monotonic() + 3
            while time.monotonic() < until:
                assert names() == ["sub1"]
        store.forget("sub1")
        words = ("--address", "127.0.0.2", "--call-manager", files["CallManager"], "--tvs", files["TVS"])
        nodes.publisher.does("set", "node", "add", "sub7", *words)
        wait_until(lambda: names() == ["sub7"], "the report under its new name")
        nodes.publisher.does("set", "node", "delete", "sub7", "-y")
        wait_until(lambda: document(service)["cluster"]["node"] == "", "the service without a node again")
        with reporting(node_of(nodes.publisher.state, "sub7")):
            assert service.stop() == 0
        assert names() == ["sub7"]


def test_services_of_a_cluster_with_another_publisher(nodes: Nodes, start: Callable[..., Running]) -> None:
    """Those that run go on with the certificates that they have; so does the old publisher, which comes back."""
    running = {"sub1": start(nodes.sub1.state), "sub2": start(nodes.sub2.state)}
    nodes.sub1.does("set", "node", "promote", "--keys", nodes.keys, "-y")
    running["pub"] = start(nodes.publisher.state)
    itl = nodes.sub1.state.itl_file
    for name, service in running.items():
        assert query(nodes.sub1, service, itl)[0] == 0, name
    running["sub1"].reload()
    running["sub1"].wait_for_line("reloaded")
    assert query(nodes.sub1, running["sub1"], itl)[0] == 0
    with closing(nodes.publisher.state.store()) as store:
        assert [node.name for node in store.nodes()] == ["sub1", PUBLISHER, "sub2"]
    assert len(ServerTrust.from_file(itl).certificates) == 3
