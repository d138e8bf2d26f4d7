"""A cluster as `tvs init` makes it serves every phone, and a new CallManager certificate loses none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tvs.phone import find_model

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tvs.config.endpoint import Endpoint

    Command = Callable[..., subprocess.CompletedProcess[str]]

MODELS = ("CP-7960", "CP-7975", "CP-8861", "CP-6921", "CP-8821", "CP-8831", "CP-8945", "CP-9971", "CP-8875", "CP-9841")


@pytest.mark.parametrize("model", MODELS)
def test_every_phone_takes_the_lists_of_a_fresh_cluster(
    today: Cluster, dead_server: Endpoint, run: Command, tmp_path: Path, model: str
) -> None:
    """The first lists, and those after `regen CallManager` and `update CTLFile`, while no TVS server runs.

    ITLRecovery signs both, so no phone has to ask; a 7960 could not. No command needs `--force`.
    """
    state = ("--state", tmp_path / "phone")
    source = ("--from", today.state.tftp)
    lists = ["CTL"] if model == "CP-7960" else ["CTL", "ITL"]
    first = run("phone", "boot", "--mac", "001122334455", "--model", model, *state, *source, "--tvs", dead_server)
    assert reports(first) == [
        f"{kind}  updated ({kind}File.tlv): "
        + ("its signer is in the installed CTL" if kind == "ITL" else "taken on trust, the first list of this phone")
        for kind in lists
    ]
    assert run("set", "phones", kind_of(model), "--state", today.state.path).returncode == 0
    before = today.own(Purpose.CallManager)
    for change in (("set", "cert", "regen", "CallManager"), ("utils", "ctl", "update", "CTLFile")):
        done = run(*change, "--yes", "--state", today.state.path)
        assert done.returncode == 0, done.stderr
    assert today.own(Purpose.CallManager) != before
    again = run("phone", "boot", *state, *source)
    assert reports(again) == [f"{kind}  updated ({kind}File.tlv): its signer is in the installed CTL" for kind in lists]
    for kind in lists:
        name = f"{kind}File.tlv"
        assert (tmp_path / "phone" / name).read_bytes() == (today.state.tftp / name).read_bytes()


def kind_of(model: str) -> str:
    """The kind of phones that the plan must keep."""
    facts = find_model(model)
    if not facts.tvs:
        return "without-tvs"
    return "tls1.0" if facts.facts.tls == "TLS 1.0" else "with-tvs"


def reports(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines about the lists of a boot that went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trying to connect" not in done.stdout
    assert "Attempting connect" not in done.stdout
    return [line for line in done.stdout.splitlines() if line.startswith(("CTL  ", "ITL  "))]
