"""Containerfile and compose file: their shape, and what the compose file must agree on with other files.

Neither Docker nor Grafana is run: there is no registry from which the tests could take their images.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

import tvs
from deploy.lock import ROOT
from tests.deploy.manifests import CONTAINER, altered, documents, run_scanner, variables
from tvs.config.loading import load_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Alter = Callable[[Path, str, str], Path]

__all__ = ["altered"]

COMPOSE = CONTAINER / "compose.yaml"
CONTAINERFILE = CONTAINER / "Containerfile"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file."""
    (document,) = documents(COMPOSE)
    return document


def checked(path: Path) -> tuple[int, str]:
    """What the published schema says of a compose file."""
    return run_scanner("check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


def linted(path: Path) -> tuple[int, str]:
    """What hadolint says of a Containerfile."""
    return run_scanner("hadolint", "--no-color", path)


def test_containerfile() -> None:
    """The linter finds nothing."""
    assert linted(CONTAINERFILE) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("COPY tvs tvs", "ADD tvs tvs", "DL3020"),
        ('CMD ["serve"]', "CMD serve", "DL3025"),
        ("WORKDIR /source", "WORKDIR source", "DL3000"),
        ("USER 2445:2445", "USER root", "DL3002"),
        ("RUN rm -rf", "RUN cd / && rm -rf", "DL3003"),
        ("ENTRYPOINT", "ENTRYPIONT", "unexpected 'E'"),
    ],
)
def test_wrong_containerfiles_are_found(altered: Alter, right: str, wrong: str, complaint: str) -> None:
    """The linter can fail."""
    status, said = linted(altered(CONTAINERFILE, right, wrong))
    assert status != 0
    assert complaint in said


def test_shape() -> None:
    """The compose file satisfies the published schema."""
    status, said = checked(COMPOSE)
    assert status == 0, said


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("read_only: true", "readonly: true"),
        ("read_only: true", "read_only: 2"),
        ("stop_grace_period", "stop_grace_periode"),
        ("restart: unless-stopped", "restart: [always]"),
        ("dockerfile:", "containerfile:"),
        ("services:", "service:"),
    ],
)
def test_wrong_shapes_are_found(altered: Alter, right: str, wrong: str) -> None:
    """Misspelt keys and wrong types are complained about: the check can fail."""
    status, said = checked(altered(COMPOSE, right, wrong))
    assert status != 0, said


def test_images_are_pinned(compose: dict[str, Any]) -> None:
    """Each image has a whole version: the service's own, and the Grafana whose types the dashboard satisfies."""
    images = {name: service["image"].rpartition(":")[2] for name, service in compose["services"].items()}
    assert images["tvs"] == tvs.__version__
    packages = json.loads((ROOT / "deploy/requirements/web/package.json").read_text())
    assert images["grafana"] == packages["dependencies"]["@grafana/schema"]
    assert re.fullmatch(r"v\d+\.\d+\.\d+", images["prometheus"])


def test_files_are_there(compose: dict[str, Any]) -> None:
    """What is mounted and built exists, read-only; each volume is one of the file's."""
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source, _, target = volume.partition(":")
            if source.startswith("."):
                assert (CONTAINER / source).resolve(strict=True).is_file()
                assert target.endswith(":ro")
            else:
                assert source in compose["volumes"]
    build = compose["services"]["tvs"]["build"]
    context = (CONTAINER / build["context"]).resolve()
    assert context / build["dockerfile"] == CONTAINERFILE
    assert (context / ".dockerignore").exists()


def test_what_others_can_reach(compose: dict[str, Any]) -> None:
    """Phones' port is open to all, Grafana's to this machine, and the admin port to nothing outside."""
    service, *others = compose["services"].values()
    assert service["ports"] == ["2445:2445", "127.0.0.1:3000:3000"]
    assert [(other["network_mode"], other.get("ports")) for other in others] == [("service:tvs", None)] * 2
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    config = load_config({}, environment={"TVS_STATE": "/", **variables(service["environment"])})
    assert str(config.admin) in (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    (sources,) = documents(CONTAINER / "grafana" / "datasources.yml")
    command = compose["services"]["prometheus"]["command"]
    assert [source["url"] for source in sources["datasources"]] == ["http://127.0.0.1:9090"]
    assert "--web.listen-address=127.0.0.1:9090" in command
    (boards,) = documents(CONTAINER / "grafana" / "dashboards.yml")
    folder = boards["providers"][0]["options"]["path"]
    assert any(f"tvs.json:{folder}/" in volume for volume in compose["services"]["grafana"]["volumes"])


def test_a_stop_has_time(compose: dict[str, Any]) -> None:
    """Phones that are connected are answered before the service is killed."""
    service = compose["services"]["tvs"]
    config = load_config({}, environment={"TVS_STATE": "/", **variables(service["environment"])})
    assert float(service["stop_grace_period"].removesuffix("s")) > config.drain_timeout + 7
