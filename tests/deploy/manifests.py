"""Files of other programs' formats in `deploy/`: their programs that look at them, and their content."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from deploy.lock import ROOT
from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CONTAINER: Final = ROOT / "deploy" / "container"
MANIFEST: Final = ROOT / "deploy" / "kubernetes" / "tvs.yaml"
"""All objects of the service on Kubernetes."""
_READ: Final = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"


def scanner(name: str) -> str:
    """A program of the environment of `make scan`; skips the test if it is not there."""
    path = Path(f"{sys.prefix}-scan") / "bin" / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: make {Path(sys.prefix).name}-scan/.ready")
    return str(path)


def run_scanner(name: str, *arguments: object) -> tuple[int, str]:
    """Exit status and output of a program of that environment."""
    done = subprocess.run(
        [scanner(name), *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip
    return done.returncode, done.stdout


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file, as the parser of the validators reads them."""
    with path.open() as file:
        done = subprocess.run(
            [scanner("python"), "-c", _READ], stdin=file, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def objects() -> dict[str, dict[str, Any]]:
    """The objects of the manifest by kind and name, as Kubernetes writes them."""
    return {f"{one['kind'].lower()}/{one['metadata']['name']}": one for one in documents(MANIFEST)}


def variables(environment: Mapping[str, object]) -> dict[str, str]:
    """The service's own variables in an environment."""
    return {name: str(value) for name, value in environment.items() if name.startswith("TVS_")}


@pytest.fixture
def altered(tmp_path: Path) -> Callable[[Path, str, str], Path]:
    """A function that returns a copy of a file with one text in place of another: (file, text, the other one)."""

    def alter(path: Path, old: str, new: str) -> Path:
        content = path.read_text()
        assert old in content
        copy = tmp_path / path.name
        copy.write_text(content.replace(old, new, 1))
        return copy

    return alter


def containers_of(deployment: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The containers of a deployment's pods, those that run first included."""
    pod = deployment["spec"]["template"]["spec"]
    yield from (*pod["initContainers"], *pod["containers"])
