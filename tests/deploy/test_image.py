"""The container image: the same bytes twice, and what is in it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from deploy.lock import ROOT
from tests.deploy.images import IMAGE, USER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.images import Images

SOURCES = ("Makefile", "LICENSE", "README.md", "pyproject.toml", ".dockerignore")
FOLDERS = ("certstore", "ctlcache", "proto", "tvs", "deploy")


def copy_of_source(folder: Path) -> Path:
    """What the image is built from, in another place, with other modes and times, and with files that do not belong."""
    folder.mkdir()
    for name in SOURCES:
        shutil.copyfile(ROOT / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, folder / name, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("__pycache__")
        )
    (folder / ".state" / "keys").mkdir(parents=True)
    (folder / ".state" / "keys" / "TVS.key").write_text("secret")
    (folder / "tvs" / "__pycache__").mkdir()
    (folder / "tvs" / "__pycache__" / "left.pyc").write_bytes(b"x")
    return folder


def test_the_same_image_twice(images: Images, tmp_path: Path) -> None:
    """Another folder, umask, time zone, locale and hash seed, and other files beside, make no difference."""
    first = images.oci_number(IMAGE, tmp_path)  # before: `make image` gives its name to what it builds
    source = copy_of_source(tmp_path / "another folder with a longer name")
    variables = ("TZ=XXX-12:45", "LC_ALL=C", "PYTHONHASHSEED=4711")
    images.build("localhost/again", source, prefix=("env", *variables, "sh", "-c", 'umask 0077; exec "$@"', "sh"))
    assert images.oci_number("localhost/again", tmp_path) == first


def test_configuration(images: Images) -> None:
    """It runs as a user with a number, keeps its state in a volume, and has a health check."""
    found = images.inspect(IMAGE)
    config = found["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["tvs-entrypoint"]
    assert config["Cmd"] == ["serve"]
    assert config["Volumes"] == {"/var/lib/tvs": {}}
    assert config["ExposedPorts"] == {"2445/tcp": {}}
    assert found["Healthcheck"]["Test"] == ["CMD", "tvs-probe", "healthz"]
    assert found["Created"].startswith("1970-01-01T00:00:00")
    assert not [line for line in config["Env"] if line.startswith(("PIP_", "SOURCE_"))]


@pytest.fixture(scope="module")
def listing(images: Images) -> list[list[str]]:
    """Its files: type, mode, user, path."""
    shell = "find / -xdev -printf '%y %m %U %p\\n'"
    told = images.run("podman", "run", "--rm", "--network=none", "--user=0", "--entrypoint=sh", IMAGE, "-c", shell)
    return [line.split(" ", 3) for line in told.splitlines()]


def test_no_tools(listing: list[list[str]]) -> None:
    """Neither pip nor a compiler is in it, nor anything of the build."""
    paths = {path for *_, path in listing}
    assert "/opt/tvs/bin/python" in paths
    assert "/opt/tvs/bin/tvs" in paths
    names = {path.rpartition("/")[2] for path in paths}
    assert names.isdisjoint({"pip", "pip3", "ensurepip", "gcc", "cc", "make", "hatchling", "TVS.key", "left.pyc"})
    assert not [path for path in paths if path.startswith(("/source", "/wheel", "/opt/build"))]


def test_the_service_owns_its_state_alone(listing: list[list[str]]) -> None:
    """Its user can change nothing but the volume: programs are root's, and others cannot write to them."""
    assert [path for _, _, user, path in listing if user == str(USER)] == ["/var/lib/tvs"]
    ours = [(kind, int(mode, 8)) for kind, mode, _, path in listing if path.startswith(("/opt/tvs", "/usr/local"))]
    assert len(ours) > 500
    assert not [mode for kind, mode in ours if kind != "l" and mode & 0o022]


def test_modules_are_compiled(images: Images, listing: list[list[str]]) -> None:
    """Each module of ours has its compiled file, since the service cannot write one."""
    paths = {path for *_, path in listing}
    sources = [path.relative_to(ROOT) for name in ("tvs", "certstore", "proto") for path in (ROOT / name).rglob("*.py")]
    (modules,) = {path.partition("/tvs/__init__.py")[0] for path in paths if path.endswith("-packages/tvs/__init__.py")}
    tag = images.run(
        "podman", "run", "--rm", "--network=none", "--entrypoint=python3", IMAGE, "-c",
        "import sys; print(sys.implementation.cache_tag)",
    ).strip()  # fmt: skip
    compiled = {f"{modules}/{path.parent}/__pycache__/{path.stem}.{tag}.pyc" for path in sources}
    assert compiled <= paths
