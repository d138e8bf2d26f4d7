"""The status page of a whole service, in a browser."""

from __future__ import annotations

import asyncio
import re
import subprocess
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.generations import generation
from tests.fixtures.joined import made_nodes, nodes
from tests.fixtures.running import PATIENCE, services, wait_until
from tests.fixtures.web import browse, web

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.joined import Nodes
    from tests.fixtures.processes import Probe, Serve
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running
    from tests.fixtures.web import Browse

    Report = Callable[[Running], dict[str, Any]]

__all__ = ["browse", "made_nodes", "nodes", "web"]

MARKUP = "<img src=x onerror=alert(1)>"
SCRIPTED = "CN=<script>alert(2)</script>"
PLOTS = 6
NARROW, WIDE = 360, 1280


@pytest.fixture
def lively(serve: Serve, probe: Probe, require_program: RequireProgram) -> Running:
    """A service that has answered, refused, turned away TLS 1.0, and been sent markup."""
    service = serve("--workers", "2", "--log-level", "info", "--tls-profile", "compatible")

    async def ask() -> None:
        async with service.client() as phone:
            await phone.query(device="CP-8861-SEP00000000000A", subject="CN=a", issuer="CN=a", serial=b"\x0b")
            await phone.query(device=MARKUP, subject=SCRIPTED, issuer="CN=\u202eb", serial=b"\x0a")

    asyncio.run(ask())
    command = [require_program("openssl"), "s_client", "-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"]
    command += ["-connect", str(service.endpoint)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wait_until(lambda: len(probe(service, "/status.json")[1]["queries"]) == 2, "both queries")
    wait_until(lambda: probe(service, "/status.json")[1]["refused_versions"], "the refused client")
    return service


@pytest.mark.parametrize(
    ("width", "scheme", "background"),
    [(WIDE, "light", "rgb(255, 255, 255)"), (WIDE, "dark", "rgb(20, 24, 31)"), (NARROW, "light", "rgb(255, 255, 255)")],
)
def test_page(lively: Running, browse: Browse, width: int, scheme: str, background: str) -> None:
    """The page says how phones fare, renews itself, asks nobody else, and is accessible; planted markup is text."""
    address = f"http://{lively.admin}/"
    seen = browse(address, width, scheme)
    assert seen.status == 200
    assert seen.title.startswith("Answered, but clients that offer TLSv1 at most are refused by the TLS profile")
    for text in (MARKUP, SCRIPTED, "To do:", "Trust lists", "TVS/TVS.pem", "not found", "CP-8861-SEP00000000000A"):
        assert text in seen.text
    assert {*seen.requests} == {address}
    assert (seen.console, seen.dialogs, seen.lost) == ([], [], False)
    assert (seen.wide, seen.background) == (width, background)
    assert seen.violations == []
    assert seen.incomplete == [] or width == NARROW, "what is out of sight has no contrast that could be measured"
    assert seen.lines == PLOTS
    assert seen.rules > 30


def test_policy(lively: Running) -> None:
    """The page may run its own script and nothing else; it has no address of another host, and is not kept."""
    with urllib.request.urlopen(f"http://{lively.admin}/", timeout=PATIENCE) as answer:
        headers, text = answer.headers, answer.read().decode()
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert headers["Cache-Control"] == "no-store"
    assert not re.search(r"https?://|url\(|@import|style=|\son\w+=\"", text)
    assert text.count("<script>") == 1
    assert MARKUP not in text


def test_page_of_a_service_that_is_silent(serve: Serve, browse: Browse) -> None:
    """Without a single phone every part is there, and says that there is nothing."""
    seen = browse(f"http://{serve().admin}/", WIDE, "light")
    assert seen.title == "All phones are answered - TVS"
    assert "Nothing so far." in seen.text
    assert seen.violations == seen.incomplete == []


def test_page_of_a_cluster(nodes: Nodes, probe: Probe, browse: Browse, tmp_path: Path) -> None:
    """Every node of the cluster stands on the page, with what it serves; one that was killed is silent."""
    with services(tmp_path) as start:
        service, other = (start(node.state, "--log-level", "info") for node in (nodes.publisher, nodes.sub1))

        def states() -> dict[str, str]:
            return {node["name"]: node["state"] for node in probe(service, "/status.json")[1]["cluster"]["nodes"]}

        name = "cucm-1051-a-pub"
        wait_until(lambda: states() == {name: "current", "sub1": "current", "sub2": "absent"}, "both reports")
        number = generation(nodes.publisher.state).number
        seen = browse(f"http://{service.admin}/", WIDE, "light")
        rows = (f"{name} (this one) publisher {number} current", f"sub1 subscriber {number} current")
        for row in (*rows, "sub2 subscriber \N{EN DASH} no service seen"):
            assert row in " ".join(seen.text.split())
        other.kill()
        wait_until(lambda: states()["sub1"] == "silent", "the end of sub1's reports")
        seen = browse(f"http://{service.admin}/", NARROW, "dark")
        assert f"sub1 subscriber {number} silent" in " ".join(seen.text.split())
    assert (seen.violations, seen.wide, seen.lost) == ([], NARROW, False)
