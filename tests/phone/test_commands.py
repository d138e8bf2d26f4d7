"""Commands of the phone emulator."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from pathlib import Path
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from tvs.cli.dispatch import parser
from tvs.phone import FlashDirectory, Phone, Refusal, find_model
from tvs.phone.ways import way_out

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running

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


def test_the_screen_of_a_phone_without_tvs(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """It has no ITL, and its servers are of no use to it."""
    device = ("--mac", "001122334455", "--model", "7960", "--state", tmp_path / "phone")
    run("phone", "boot", *device, "--from", cluster.state.tftp, "--tvs", "192.0.2.1")
    lines = run("phone", "status", "--state", tmp_path / "phone").stdout.splitlines()
    assert "ITL file         this model has none" in lines
    assert "TVS servers      this model does not ask TVS" in lines
    assert not any("192.0.2.1" in line for line in lines)


def test_names_of_other_alphabets_in_any_terminal(
    cluster: Cluster,
    serve: Callable[..., Running],
    tvs: Run,
    make_signer: Callable[..., KeyFileSigner],
    tmp_path: Path,
) -> None:
    """A cached answer about CN=Ñandú is shown in an ASCII terminal with an escape, in another one as it is."""
    web = make_signer("CN=Ñandú;O=Café", "5EC0DE", 2048)
    cluster.import_trust(Purpose.tomcat_trust, web.certificate)
    state = ("--state", tmp_path / "phone")
    device = ("--mac", "001122334455", "--model", "8861")
    endpoint = serve(cluster).endpoint
    tvs("phone", "boot", *device, *state, "--from", cluster.state.tftp, "--tvs", endpoint)
    flash = FlashDirectory(tmp_path / "phone")
    phone = Phone("001122334455", find_model("8861"), flash=flash)

    async def ask() -> None:
        async with phone.tvs() as proxy:
            assert (await proxy.verify(Certificate.from_der(web.certificate))).trusted
        phone.save()

    asyncio.run(ask())
    for environment, name in (
        ({"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}, r"CN=\xd1and\xfa;O=Caf\xe9"),
        ({"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8"}, "CN=Ñandú;O=Café"),
    ):
        done = tvs("phone", "status", *state, environment=environment)
        assert done.returncode == 0, done.stderr
        assert f"TVS cache        5EC0DE{name}, roles 7 APP-SERVER, until " in done.stdout


WRONG = {
    "no --mac": (["--model", "8861"], "--mac and --model go together"),
    "a wrong MAC address": (["--mac", "00:11", "--model", "8861"], "is not a MAC address"),
    "an unknown model": (["--mac", "001122334455", "--model", "Nokia"], "known are 6901, 6911"),
    "no source": (["--mac", "001122334455", "--model", "8861", "--from", ""], "the source is empty; write tftp://"),
    "no such host": (["--mac", "001122334455", "--model", "8861", "--from", "http://a..b"], "does not name a host"),
    "no --mac and --model": ([], "the first tvs phone boot needs --mac and --model"),
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


def test_the_directory_of_something_else_is_wrong_usage(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """Another phone's directory and a service's are refused by a boot with status 2; nothing is written."""
    source = ("--from", cluster.state.tftp)
    run("phone", "boot", "--mac", "001122334455", "--model", "8861", "--state", tmp_path / "phone", *source)
    before = (tmp_path / "phone" / "phone.json").read_bytes()
    for state, sentence in ((tmp_path / "phone", "belongs to CP-8861"), (cluster.state.path, "a service's state")):
        done = run("phone", "boot", "--mac", "001122334455", "--model", "9971", "--state", state, *source)
        assert (done.returncode, sentence in done.stderr) == (2, True)
    assert (tmp_path / "phone" / "phone.json").read_bytes() == before
    assert not (cluster.state.path / "phone.json").exists()


def test_models_are_listed(run: Run) -> None:
    """Series, TVS and TLS of each model, as text and as JSON; what is assumed is marked."""
    lines = run("phone", "models").stdout.splitlines()
    rows = {words[0]: words for words in map(str.split, lines[2:-1])}
    assert rows["CP-7960"][:5] == ["CP-7960", "7900", "no", "TLS", "1.0"]
    assert rows["CP-8945"][:5] == ["CP-8945", "89xx", "yes", "TLS", "1.0"]
    assert rows["CP-9841"][:5] == ["CP-9841", "98xx", "assumed", "TLS", "1.2"]
    assert lines[-1].startswith("TVS 'assumed': ")
    models = {model["model"]: model for model in json.loads(run("phone", "models", "--json").stdout)}
    assert models.keys() == rows.keys()
    assert {name for name, model in models.items() if not model["tvs_confirmed"]} == {
        name for name, words in rows.items() if words[2] == "assumed"
    }


def test_a_server_that_does_not_answer_is_reported_once(run: Run, tmp_path: Path) -> None:
    """The ITL's line does not repeat the failure of the CTL; a name without a directory may be meant as a server."""
    device = ("--mac", "001122334455", "--model", "8861", "--state", tmp_path / "phone")
    done = run("phone", "boot", *device, "--from", "192.0.2.1")
    assert done.returncode == 3
    assert done.stdout.splitlines()[:2] == [
        "CTL  unreachable: 192.0.2.1 is not a directory; write tftp://192.0.2.1 for a server",
        "ITL  unreachable: the server, which did not answer for the CTL, was not asked again",
    ]
    done = run("phone", "boot", *device, "--from", tmp_path / "nowhere")
    assert done.stdout.splitlines()[0] == f"CTL  unreachable: {tmp_path / 'nowhere'} is not a directory"


def test_a_refusal_is_printed_with_its_way_out(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """As text and as JSON; an outcome that is not a refusal has none."""
    flash, source = tmp_path / "phone", tmp_path / "files"
    source.mkdir()
    (source / "CTLFile.tlv").write_bytes(b"not a list")
    (source / "ITLFile.tlv").write_bytes(cluster.state.itl_file.read_bytes())
    boot = ("phone", "boot", "--state", flash, "--from", source)
    lines = run(*boot, "--mac", "001122334455", "--model", "8861").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("CTL "))
    assert lines[start + 1] == "     Way out: make the list again."
    assert lines[start + 2].startswith("ITL  updated")
    (source / "ITLFile.tlv").write_bytes(b"not a list")
    lines = run(*boot).stdout.splitlines()
    assert lines[1].startswith("ITL  refused")  # both for one reason: one way out
    assert [line for line in lines if "Way out" in line] == [lines[2]]
    (source / "ITLFile.tlv").write_bytes(cluster.state.itl_file.read_bytes())
    said = json.loads(run(*boot, "--json").stdout)["lists"]
    assert (said["CTL"]["refusal"], said["CTL"]["way_out"]) == ("damaged", "make the list again")
    assert (said["ITL"]["refusal"], said["ITL"]["way_out"]) == (None, None)


@pytest.mark.parametrize("refusal", Refusal)
def test_each_refusal_has_a_way_out_and_a_row_on_the_page(refusal: Refusal) -> None:
    """For a list and for a service; docs/phone.md names each by its value."""
    assert way_out(refusal)
    assert way_out(refusal, service=True)
    for command in re.findall(r"tvs [a-z ]+[a-z0-9]+", way_out(refusal)):
        parser(command.split()[1]).parse_args(command.split()[1:])
    page = (Path(__file__).parents[2] / "docs" / "phone.md").read_text("utf-8")
    assert f"\n| `{refusal}` |" in page
