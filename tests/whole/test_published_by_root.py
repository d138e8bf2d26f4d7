"""Directories of `publish` into which the service may not look, because they are for root's commands."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import run_tvs, wait_until
from tests.fixtures.service import made_state
from tests.fixtures.sharing import does, elsewhere, generation
from tests.fixtures.users import GROUP, USER, copy_for_user, give, open_folder, service_of_user
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.processes import Probe
    from tests.fixtures.running import Running

__all__ = ["made_state", "open_folder"]

INFO = ("--log-level", "info")
LEFT = "publication_left_to_root"


@pytest.fixture
def served(open_folder: Path) -> Path:
    """A directory that only root may enter."""
    path = open_folder / "served"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def state(made_state: Path, open_folder: Path, served: Path) -> StateDirectory:
    """A state directory of the service's user, whose settings are root's and name that directory."""
    state = StateDirectory(copy_for_user(made_state, open_folder / "state"))
    (state.path / "tvs.toml").write_text(f"publish = [{json.dumps(str(served))}]\n")
    return state


def wait_for(service: Running, number: int, probe: Probe) -> None:
    """Waits until the service says that its node serves a generation."""

    def reported() -> bool:
        return bool(probe(service, "/readyz")[1].get("node", {}).get("generation") == number)

    wait_until(reported, f"generation {number} on the monitoring port")


def told(service: Running) -> list[str]:
    """The lines about directories that are left to root's commands."""
    return [line for line in service.lines() if LEFT in line]


def test_a_directory_of_root_s(state: StateDirectory, served: Path, open_folder: Path, probe: Probe) -> None:
    """It is no problem of the node: the log says once who publishes there, and again when other lists have come."""
    with service_of_user(state, open_folder, *INFO) as service:
        service.wait_for_line(LEFT)
        wait_for(service, 1, probe)
        does(state, "utils", "itl", "update", "ITLFile", "-y")
        assert (served / "ITLFile.tlv").read_bytes() == state.itl_file.read_bytes()
        wait_for(service, 2, probe)
        assert "problem" not in probe(service, "/readyz")[1]["node"]
        assert len(told(service)) == 1
        assert f"directory={served}" in told(service)[0]
        assert "only commands that root runs publish there" in told(service)[0]
        other = elsewhere(state)
        (other.path / "tvs.toml").write_text(f'store = "sqlite://{state.database}"\n')
        give(other.path)
        does(other, "utils", "ctl", "update", "CTLFile", "-y")
        wait_for(service, generation(state), probe)
        wait_until(lambda: len(told(service)) == 2, "the second line")
        assert "problem" not in probe(service, "/readyz")[1]["node"]
        assert run_tvs("publish", "--state", state.path).returncode == 0
        assert (served / "CTLFile.tlv").read_bytes() == other.ctl_file.read_bytes()
        assert "lists_not_taken" not in "".join(service.lines())


@pytest.mark.parametrize("by_variable", [False, True], ids=["settings of the service", "variable of the service"])
def test_a_directory_in_which_nobody_publishes(
    state: StateDirectory, served: Path, open_folder: Path, probe: Probe, *, by_variable: bool
) -> None:
    """If root's commands do not publish there either, it is the node's problem."""
    if not by_variable:
        os.chown(state.path / "tvs.toml", USER, GROUP)
    environment = {"TVS_PUBLISH": str(served)} if by_variable else {}
    with service_of_user(state, open_folder, *INFO, environment=environment) as service:
        service.wait_for_line("lists_not_taken")
        wait_until(
            lambda: str(served) in probe(service, "/readyz")[1].get("node", {}).get("problem", ""), "the problem"
        )
        assert told(service) == []
