"""Commands of the phone emulator."""

from __future__ import annotations

import json
import stat
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster

    Run = Callable[..., subprocess.CompletedProcess[str]]


def test_status_shows_the_screen(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """Device, lists with their checksums, servers and messages; as text and as JSON."""
    state = ("--state", tmp_path / "phone")
    device = ("--mac", "00-1d-a2-3b-4c-5d", "--model", "cp-7975g")
    booted = run("phone", "boot", *device, *state, "--from", cluster.state.tftp, "--tvs", "192.0.2.1", "--json")
    assert booted.returncode == 0, booted.stderr
    said = json.loads(booted.stdout)
    assert said["lists"]["CTL"]["voucher"] == "first"
    assert said["messages"] == ["Trust List updated", "CTL and ITL installed"]
    assert len(said["console"]) == 6
    lines = run("phone", "status", *state).stdout.splitlines()
    assert lines[0] == "Device           CP-7975-SEP001DA23B4C5D"
    assert "TVS server 1     192.0.2.1:2445" in lines
    assert lines[-1].endswith("  CTL and ITL installed")
    status = json.loads(run("phone", "status", *state, "--json").stdout)
    assert status == {**said["status"], "messages": status["messages"]}
    assert status["lists"]["CTL"]["bytes"] == cluster.state.ctl_file.stat().st_size


WRONG = {
    "no --mac": (["--model", "8861"], "--mac and --model go together"),
    "a wrong MAC address": (["--mac", "00:11", "--model", "8861"], "is not a MAC address"),
    "an unknown model": (["--mac", "001122334455", "--model", "Nokia"], "known are 6901, 6911"),
    "a wrong source": (["--mac", "001122334455", "--model", "8861", "--from", "ftp://x"], "write tftp://HOST"),
    "six servers": (
        ["--mac", "001122334455", "--model", "8861", *["--tvs", "192.0.2.1"] * 6],
        "at most 5 TVS servers",
    ),
    "no such configuration": (["--mac", "001122334455", "--model", "8861", "--config", "/no.xml"], "cannot be read"),
    "no time": (["--mac", "001122334455", "--model", "8861", "--timeout", "0"], "not a number of seconds"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong_usage(run: Run, tmp_path: Path, options: list[str], sentence: str) -> None:
    """Exit status 2 and a sentence; no directory is created."""
    source = [] if "--from" in options else ["--from", str(tmp_path)]
    done = run("phone", "boot", "--state", tmp_path / "phone", *source, *options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (tmp_path / "phone").exists()


def test_an_lsc_is_installed_with_its_key(
    cluster: Cluster, run: Run, tmp_path: Path, make_signer: Callable[..., KeyFileSigner]
) -> None:
    """The PEM file must be readable by its owner only; otherwise it is refused and nothing is installed."""
    lsc = make_signer("CN=SEP001122334455;O=Cisco", "15C2", 2048)
    path = tmp_path / "lsc.pem"
    path.write_bytes(
        lsc._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + DER_cert_to_PEM_cert(lsc.certificate).encode()
    )
    boot = ("phone", "boot", "--state", tmp_path / "phone", "--from", cluster.state.tftp, "--lsc", path)
    path.chmod(0o644)
    refused = run(*boot, "--mac", "001122334455", "--model", "8861")
    assert (refused.returncode, "chmod 600" in refused.stderr) == (1, True)
    assert not (tmp_path / "phone" / "lsc.pem").exists()
    path.chmod(0o600)
    assert run(*boot, "--mac", "001122334455", "--model", "8861").returncode == 0
    assert stat.S_IMODE((tmp_path / "phone" / "lsc.pem").stat().st_mode) == 0o600
    assert "CN=SEP001122334455;O=Cisco" in run("phone", "status", "--state", tmp_path / "phone").stdout
