"""Fixtures of what is deployed beside the service: promtool, a Prometheus that scrapes services, tshark."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.images import Images, fill
from tests.deploy.promtool import RULES
from tests.deploy.systems import make_package
from tests.fixtures.captures import tshark
from tests.fixtures.cluster import free_port, tftp_server
from tests.fixtures.machines import boot, rootfs, shared_folder
from tests.fixtures.ports import quiet_port
from tests.fixtures.running import PATIENCE, wait_until
from tests.fixtures.service import made_state, published_query, serve, state, tvs
from tests.fixtures.web import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.deploy.promtool import Fired, Site
    from tests.fixtures.processes import Serve
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

    Check = Callable[[Site, dict[int, list[Fired]]], None]
    Scraping = Callable[..., "Prometheus"]

__all__ = [
    "boot",
    "free_port",
    "made_state",
    "published_query",
    "rootfs",
    "serve",
    "state",
    "tftp_server",
    "tshark",
    "tvs",
    "web",
]


@pytest.fixture
def check(require_program: RequireProgram, tmp_path: Path) -> Check:
    """A function that asserts which alerts, and no others, fire on a site's metrics: (site, alerts by sample)."""
    promtool = require_program("promtool")

    def run(site: Site, expected: dict[int, list[Fired]]) -> None:
        site.check(promtool, tmp_path, expected)

    return run


class Prometheus:
    """A Prometheus on a port of 127.0.0.1.

    Args:
        port: its port.
        log: the file of its log.
    """

    def __init__(self, port: int, log: Path) -> None:
        self._port = port
        self.log = log

    def ready(self) -> bool:
        """Whether it serves."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=PATIENCE) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def get(self, path: str, **parameters: str) -> Any:
        """The data of its HTTP interface at a path."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/api/v1/{path}?{query}", timeout=PATIENCE) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def series(self, selector: str) -> list[dict[str, Any]]:
        """The current samples of a selector."""
        found: list[dict[str, Any]] = self.get("query", query=selector)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health and last evaluation."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def states(self) -> dict[str, str]:
        """The alerts that are not inactive, by name: pending or firing."""
        alerts = [rule for rule in self.rules() if rule["type"] == "alerting"]
        return {rule["name"]: rule["state"] for rule in alerts if rule["state"] != "inactive"}


@pytest.fixture
def asked(serve: Serve) -> Running:
    """A service with two workers that a phone has asked."""
    service = serve("--workers", "2", "--log-level", "info")

    async def ask() -> None:
        async with service.client() as phone:
            await phone.query(device="SEP000000000001", subject="CN=a", issuer="CN=a", serial=b"\1")

    asyncio.run(ask())
    return service


@pytest.fixture
def scraping(require_program: RequireProgram, tmp_path: Path) -> Iterator[Scraping]:
    """A function that starts a Prometheus with our example, which scrapes a service each second; a token is shown."""
    program = require_program("prometheus")
    with contextlib.ExitStack() as running:

        def start(service: Running, token_file: Path | None = None) -> Prometheus:
            port = quiet_port()
            folder = tmp_path / f"prometheus-{port}"
            folder.mkdir()
            example = (RULES.parent / "prometheus.yml").read_text()
            ours = example.replace("127.0.0.1:9445", str(service.admin)).replace(": 15s", ": 1s")
            if token_file is not None:
                ours = ours.replace("# authorization", "authorization").replace("#   credentials", "  credentials")
                assert ours.count("/etc/prometheus/tvs.token") == 1
                ours = ours.replace("/etc/prometheus/tvs.token", str(token_file))
            assert ours.count(": 1s") == 2
            assert str(service.admin) in ours
            (folder / "prometheus.yml").write_text(ours)
            (folder / RULES.name).symlink_to(RULES)
            options = [f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
            log = running.enter_context((folder / "log").open("w"))
            process = running.enter_context(
                subprocess.Popen([program, *options, f"--web.listen-address=127.0.0.1:{port}"], stderr=log)
            )
            running.callback(process.kill)
            prometheus = Prometheus(port, folder / "log")
            wait_until(prometheus.ready, "Prometheus serves")
            return prometheus

        yield start


@pytest.fixture(scope="session")
def package(require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Debian package of this source, made once a run."""
    require_program("dpkg-deb")
    with shared_folder(tmp_path_factory, "package", make_package) as folder:
        (path,) = folder.glob("*.deb")
        yield path


@pytest.fixture(scope="session")
def images(rootfs: Path, require_program: RequireProgram, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """The container image of this source, built once a run, in a place in which containers can be run."""
    for program in ("buildah", "podman", "runc", "make", "nsenter"):
        require_program(program)
    with shared_folder(tmp_path_factory, "images", lambda folder: fill(folder, rootfs)) as folder:
        yield Images(folder)
