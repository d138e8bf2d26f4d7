"""The manifest for Kubernetes: its shape against Kubernetes' published schemas, and what its parts must agree on.

No Kubernetes is run. `test_pod.py` runs its containers with podman.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tvs
from deploy.lock import ROOT
from tests.deploy.manifests import MANIFEST, altered, containers_of, documents, objects, run_scanner, variables
from tests.fixtures.running import PATIENCE
from tvs.config.loading import ConfigError, load_config
from tvs.config.settings import Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.programs import RequireProgram

    Alter = Callable[[Path, str, str], Path]

__all__ = ["altered"]

VERSIONS = ("1.29", "1.33", "1.37")
"""Releases of Kubernetes, from one without support any more to the newest that the schemas have."""
NAMES = [
    *("namespace/tvs", "deployment/tvs", "service/tvs", "service/tvs-admin"),
    *("poddisruptionbudget/tvs", "networkpolicy/tvs"),
]
"""Its objects, in the order in which they are made."""


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict[str, Any]]:
    """The manifest's objects by kind."""
    return objects()


@pytest.fixture(scope="module")
def pod(manifest: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The specification of the service's pods."""
    found: dict[str, Any] = manifest["deployment/tvs"]["spec"]["template"]["spec"]
    return found


def validated(path: Path, version: str = VERSIONS[-1]) -> tuple[list[str], str]:
    """A file's objects that have no field beside the published ones, and what kubernetes-validate says."""
    _, said = run_scanner("kubernetes-validate", "--strict", "--kubernetes-version", version, path)
    return re.findall(r"passed for resource (\S+) against", said), said


@pytest.mark.parametrize("version", VERSIONS)
def test_shape(version: str) -> None:
    """Every object is as the schema of the release has it."""
    good, said = validated(MANIFEST, version)
    assert good == NAMES, said


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("replicas: 2", "replica: 2"),
        ("replicas: 2", 'replicas: "2"'),
        ("readOnlyRootFilesystem", "readonlyRootFilesystem"),
        ("enableServiceLinks", "enableServicelinks"),
        ("failureThreshold: 60", "failureTreshold: 60"),
        ("minAvailable", "minAvailabel"),
        ("externalTrafficPolicy: Local", "externalTrafficPolicies: Local"),
        ("podSelector", "podselector"),
        ("policy/v1", "policy/v2"),
    ],
)
def test_wrong_shapes_are_found(altered: Alter, right: str, wrong: str) -> None:
    """Misspelt fields, in whichever object, and wrong types and versions are complained about: the check can fail."""
    good, said = validated(altered(MANIFEST, right, wrong))
    assert len(good) == len(NAMES) - 1, said


def test_parts_agree(manifest: dict[str, dict[str, Any]], pod: dict[str, Any]) -> None:
    """Everything is in one namespace, selects the pods by their labels, and names ports that they have."""
    assert list(manifest) == NAMES
    namespace = manifest["namespace/tvs"]["metadata"]["name"]
    assert {one["metadata"].get("namespace", namespace) for one in manifest.values()} == {namespace}
    labels = manifest["deployment/tvs"]["spec"]["template"]["metadata"]["labels"]
    assert manifest["service/tvs"]["spec"]["selector"] == manifest["service/tvs-admin"]["spec"]["selector"] == labels
    assert manifest["networkpolicy/tvs"]["spec"]["podSelector"]["matchLabels"] == labels
    for name in ("deployment/tvs", "poddisruptionbudget/tvs"):
        assert manifest[name]["spec"]["selector"]["matchLabels"] == labels
    (service,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in service["ports"]}
    assert ports == {"tvs": 2445, "admin": Config(state=Path()).admin.port}
    for name, port in (("service/tvs", "tvs"), ("service/tvs-admin", "admin")):
        assert manifest[name]["spec"]["ports"] == [{"name": port, "port": ports[port], "targetPort": port}]
    rules = manifest["networkpolicy/tvs"]["spec"]["ingress"]
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [[2445], [ports["admin"]]]
    for rule in rules:
        for source in rule["from"]:
            assert source  # an empty one would be everybody
            ipaddress.ip_network(source.get("ipBlock", {"cidr": "192.0.2.0/24"})["cidr"])
    assert manifest["networkpolicy/tvs"]["spec"]["egress"] == []
    assert {container["image"].rpartition(":")[2] for container in containers_of(manifest["deployment/tvs"])} == {
        tvs.__version__
    }


def test_rights(manifest: dict[str, dict[str, Any]], pod: dict[str, Any]) -> None:
    """No container runs as root, gains a right, has a capability, writes to its root or holds a token of Kubernetes."""
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["seccompProfile"]) == (True, {"type": "RuntimeDefault"})
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] != 0
    assert pod["automountServiceAccountToken"] is False
    (secret,) = (volume["secret"] for volume in pod["volumes"] if "secret" in volume)
    assert secret["defaultMode"] == 0o440
    for container in containers_of(manifest["deployment/tvs"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
    assert manifest["namespace/tvs"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_variables_are_settings(pod: dict[str, Any]) -> None:
    """The service takes its variables, and is kept from those that Kubernetes would make from its Service's name."""
    (service,) = pod["containers"]
    config = load_config({}, environment=variables({one["name"]: one["value"] for one in service["env"]}))
    assert str(config.admin) == "0.0.0.0:9445"
    assert config.workers == 2
    assert pod["enableServiceLinks"] is False
    with pytest.raises(ConfigError):
        load_config({}, environment={"TVS_STATE": "/state", "TVS_SERVICE_HOST": "192.0.2.1"})


def test_with_a_token(tmp_path: Path) -> None:
    """The comments about the admin port's token are lines of the manifest that fit: variable, mount and Secret."""
    text, count = re.subn(
        r"(?m)^( +)# ((?:- |  )(?:\{?name: (?:TVS_|admin)|secret:).*)$", r"\1\2", MANIFEST.read_text()
    )
    assert count == 4
    (tmp_path / MANIFEST.name).write_text(text)
    good, said = validated(tmp_path / MANIFEST.name)
    assert len(good) == len(NAMES), said
    pod = next(one for one in documents(tmp_path / MANIFEST.name) if one["kind"] == "Deployment")["spec"]["template"]
    (service,) = pod["spec"]["containers"]
    (file,) = (Path(one["value"]) for one in service["env"] if one["name"] == "TVS_ADMIN_TOKEN_FILE")
    (mount,) = (one for one in service["volumeMounts"] if one["mountPath"] == str(file.parent))
    assert mount["name"] in {volume["name"] for volume in pod["spec"]["volumes"] if "secret" in volume}


def test_scrape_example(require_program: RequireProgram, tmp_path: Path) -> None:
    """Prometheus takes the page's example, whose job is the one that the rules know."""
    page = (ROOT / "docs" / "containers.md").read_text()
    (example,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", page, re.DOTALL)
    assert "job_name: tvs " in example
    assert "{names: [tvs-admin.tvs.svc], type: A, port: 9445}" in example
    (tmp_path / "prometheus.yml").write_text(example)
    command = [require_program("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_a_stop_has_time(pod: dict[str, Any]) -> None:
    """A replica has the time of its preStop, of the phones that are connected and of processes that hang."""
    (service,) = pod["containers"]
    waits = float(service["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert pod["terminationGracePeriodSeconds"] > waits + Config(state=Path()).drain_timeout + 7


def test_one_replica_is_always_there(manifest: dict[str, dict[str, Any]]) -> None:
    """Neither a rollout nor a drained machine takes the last replica, or an only one."""
    replicas = manifest["deployment/tvs"]["spec"]["replicas"]
    assert replicas == 2
    assert manifest["poddisruptionbudget/tvs"]["spec"]["minAvailable"] == replicas - 1
    assert manifest["deployment/tvs"]["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
