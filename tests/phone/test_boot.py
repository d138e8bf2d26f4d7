"""What a phone fetches, in which order, and what it keeps."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from ssl import DER_cert_to_PEM_cert
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certstore.purposes import Purpose
from ctlcache.trustlist import Record, RecordTag, parse_trust_list
from proto.tlv import Element
from tvs.config.endpoint import Endpoint
from tvs.phone import (
    BootOutcome,
    DirectorySource,
    FlashDirectory,
    FlashError,
    ListKind,
    ListOutcome,
    Phone,
    Voucher,
    find_model,
    parse_mac,
)
from tvs.phone.boot import boot
from tvs.phone.flash import lock_flash

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running

    MakePhone = Callable[..., Phone]
    Run = Callable[..., subprocess.CompletedProcess[str]]
    Tokens = tuple[KeyFileSigner, KeyFileSigner]

NAME = "SEP001DA23B4C5D"


class Watched(DirectorySource):
    """A directory, and what was asked of it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    async def fetch(self, name: str, most: int) -> bytes | None:
        self.asked.append(name)
        return await super().fetch(name, most)


async def test_the_order_of_the_files(cluster: Cluster, make_phone: MakePhone) -> None:
    """The phone's own list, then everybody's; the CTL before the ITL, the configuration last."""
    source = Watched(cluster.state.tftp)
    await boot(make_phone(), source)
    assert source.asked == [
        f"CTL{NAME}.tlv",
        "CTLFile.tlv",
        f"ITL{NAME}.tlv",
        "ITLFile.tlv",
        f"{NAME}.cnf.xml",
    ]


async def test_the_phones_own_list_wins(cluster: Cluster, make_phone: MakePhone) -> None:
    """Where the server has a list for this phone, everybody's is not fetched."""
    cluster.state.ctl_file.rename(cluster.state.ctl_file.with_name(f"CTL{NAME}.tlv"))
    source = Watched(cluster.state.tftp)
    report = await boot(make_phone(), source)
    assert (report.ctl.outcome, report.ctl.name) == (ListOutcome.UPDATED, f"CTL{NAME}.tlv")
    assert "CTLFile.tlv" not in source.asked


async def test_a_phone_without_tvs_fetches_no_itl(cluster: Cluster, make_phone: MakePhone) -> None:
    """7940 and 7960 do not know such a file."""
    source = Watched(cluster.state.tftp)
    await boot(make_phone("CP-7940"), source)
    assert not any(name.startswith("ITL") for name in source.asked)


async def test_a_server_that_does_not_answer_is_not_asked_again(make_phone: MakePhone, tmp_path: Path) -> None:
    """One timeout is enough for a boot."""
    source = Watched(tmp_path / "nowhere")
    report = await boot(make_phone(), source)
    assert report.outcome is BootOutcome.NOTHING
    assert report.messages == ("No Trust List installed",)
    assert source.asked == [f"CTL{NAME}.tlv"]


async def test_an_empty_server(make_phone: MakePhone, tmp_path: Path) -> None:
    """Nothing there: the screen says which files were not found."""
    report = await boot(make_phone(), DirectorySource(tmp_path))
    assert report.outcome is BootOutcome.NOTHING
    assert report.messages == (
        "File Not Found <CTLFile.tlv>",
        "File Not Found <ITLFile.tlv>",
        "No Trust List installed",
    )


async def test_a_ctl_that_left_the_server_stays_on_the_phone(cluster: Cluster, make_phone: MakePhone) -> None:
    """Deleting the file on the server does not delete it from phones."""
    phone = make_phone()
    await boot(phone, DirectorySource(cluster.state.tftp))
    old = phone.flash.installed(ListKind.CTL)
    cluster.delete_ctl()
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert (report.outcome, report.ctl.outcome) == (BootOutcome.RUNNING, ListOutcome.NOT_FOUND)
    assert phone.flash.installed(ListKind.CTL) == old is not None


async def test_the_servers_come_from_the_configuration_of_the_last_boot(
    cluster: Cluster, make_phone: MakePhone, serve: Callable[..., Running]
) -> None:
    """A phone fetches its configuration after its lists: the servers in it count from the next boot on."""
    running = serve(cluster)
    member = f'<member priority="0"><port>{running.endpoint.port}</port><address>127.0.0.1</address></member>'
    path = cluster.state.tftp / f"{NAME}.cnf.xml"
    path.write_text(f"<device><TVS><members>{member}</members></TVS></device>")
    phone = make_phone()
    assert (await boot(phone, DirectorySource(cluster.state.tftp))).configuration == ""
    assert phone.flash.servers == (running.endpoint,)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    running.wait_for_new(f"Unique Key used for Caching :: {cluster.own(Purpose.CallManager).unique_map_id}")
    path.write_text("<device><TVS>")
    report = await boot(phone, DirectorySource(cluster.state.tftp))
    assert report.ctl.vouched is not None
    assert report.ctl.vouched.voucher is Voucher.TVS
    assert re.search(r"SEP\w+\.cnf\.xml: the configuration is not well-formed XML", report.configuration)
    assert phone.flash.servers == (running.endpoint,)


async def test_an_itl_of_a_cluster_with_tokens(cluster: Cluster, make_phone: MakePhone, tokens: Tokens) -> None:
    """A CTL that tokens sign has the TFTP server as CCM+TFTP only: enough for the ITL that it signs."""
    cluster.sign_with_tokens(tokens)
    report = await boot(make_phone(), DirectorySource(cluster.state.tftp))
    assert report.itl.vouched is not None
    assert report.itl.vouched.voucher is Voucher.CTL


async def test_a_tftp_server_may_not_sign_a_ctl(
    cluster: Cluster, make_phone: MakePhone, tokens: Tokens, tmp_path: Path
) -> None:
    """With the tokens' CTL and no ITL installed, a CTL of the CallManager that it has as CCM+TFTP is refused."""
    tokenless = cluster.state.ctl_file.read_bytes()
    cluster.sign_with_tokens(tokens)
    for name, data in (("first", cluster.state.ctl_file.read_bytes()), ("second", tokenless)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "CTLFile.tlv").write_bytes(data)
    phone = make_phone("CP-7960")
    await boot(phone, DirectorySource(tmp_path / "first"))
    assert (await boot(phone, DirectorySource(tmp_path / "second"))).ctl.outcome is ListOutcome.REFUSED


async def test_a_list_of_keys_without_certificates_vouches(
    make_phone: MakePhone, tokenless: bytes, assemble: Callable[..., bytes], tmp_path: Path
) -> None:
    """An installed record with the signer's PUBLICKEY alone is enough to check what it signed."""
    trust_list = parse_trust_list(tokenless)
    keys = [
        Record(_resized(tuple(element for element in record.elements if element.tag != RecordTag.CERTIFICATE)))
        for record in trust_list.records
    ]
    phone, source = make_phone(), DirectorySource(tmp_path)
    (tmp_path / "CTLFile.tlv").write_bytes(assemble(trust_list.header.elements, keys))
    assert (await boot(phone, source)).ctl.outcome is ListOutcome.UPDATED
    (tmp_path / "CTLFile.tlv").write_bytes(tokenless)
    report = await boot(phone, source)
    assert report.ctl.vouched is not None
    assert report.ctl.vouched.voucher is Voucher.CTL


def _resized(elements: tuple[Element, ...]) -> tuple[Element, ...]:
    """A record's elements with the right RECORDLENGTH, which stands first."""
    size = sum(3 + len(element.value) for element in elements)
    return (Element(elements[0].tag, size.to_bytes(2)), *elements[1:])


# -- the flash -------------------------------------------------------------------------------------------------------


DEVICE = "CP-8861-SEP001122334455"


async def booted_directory(path: Path, cluster: Cluster) -> FlashDirectory:
    """The flash of a phone that has booted."""
    flash = FlashDirectory(path, DEVICE)
    phone = Phone("001122334455", find_model("8861"), flash=flash)
    phone.flash.servers = (Endpoint("192.0.2.1", 2445), Endpoint("2001:db8::1", 2445))
    await boot(phone, DirectorySource(cluster.state.tftp))
    return flash


async def test_everything_outlives_a_restart(cluster: Cluster, tmp_path: Path) -> None:
    """Lists, servers, messages and the device's name are there again; nobody else can read them."""
    path = tmp_path / "deep" / "phone"
    before = await booted_directory(path, cluster)
    after = FlashDirectory(path)
    assert after.device == DEVICE
    assert [after.installed(kind) for kind in ListKind] == [before.installed(kind) for kind in ListKind]
    assert after.servers == before.servers
    assert after.messages == before.messages
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["phone.json", "tvs-cache.json"])
@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b"null", b'[{"serial": "zz"}]', b"[" * 100_000, b"\xff"])
async def test_a_damaged_flash_is_reported(cluster: Cluster, tmp_path: Path, name: str, damage: bytes) -> None:
    """An error names the file and what to do; nothing is changed. Values that only lack something are taken."""
    path = tmp_path / "phone"
    await booted_directory(path, cluster)
    (path / name).write_bytes(damage)
    if (name, damage) in (("tvs-cache.json", b"[]"), ("phone.json", b"{}")):
        FlashDirectory(path, DEVICE)
        return
    with pytest.raises(FlashError, match=rf"{name}: is damaged .* remove it"):
        FlashDirectory(path, DEVICE)
    assert (path / name).read_bytes() == damage


async def test_a_flash_belongs_to_one_phone(cluster: Cluster, tmp_path: Path) -> None:
    """Another device, a service's state directory and a directory without a phone are refused."""
    await booted_directory(tmp_path / "phone", cluster)
    with pytest.raises(FlashError, match="belongs to CP-8861-SEP001122334455, not to CP-7975"):
        FlashDirectory(tmp_path / "phone", "CP-7975-SEP001122334455")
    with pytest.raises(FlashError, match="is a service's state directory"):
        FlashDirectory(cluster.state.path, DEVICE)
    with pytest.raises(FlashError, match="is not a phone's directory yet: the first tvs phone boot needs --mac and"):
        FlashDirectory(tmp_path / "empty")


async def test_one_command_at_a_time_runs_a_phone(cluster: Cluster, run: Run, tmp_path: Path) -> None:
    """A second one is refused; afterwards the flash is free again."""
    path = tmp_path / "phone"
    await booted_directory(path, cluster)
    boot = ("phone", "boot", "--state", path, "--from", cluster.state.tftp)
    with lock_flash(path, make=False):
        busy = run(*boot)
        assert (busy.returncode, "is busy: another command is running it" in busy.stderr) == (1, True)
    assert (await asyncio.to_thread(run, *boot)).returncode == 0


async def test_a_full_disk_leaves_the_old_list(cluster: Cluster, tmp_path: Path) -> None:
    """A list that cannot be written is not installed; the flash is as it was."""
    flash = await booted_directory(tmp_path / "phone", cluster)
    old = flash.installed(ListKind.CTL)
    (tmp_path / "phone" / "CTLFile.tlv").unlink()
    (tmp_path / "phone" / "CTLFile.tlv").mkdir()  # nothing can take its place
    cluster.update_ctl()
    phone = Phone("001122334455", find_model("8861"), flash=flash)
    with pytest.raises(FlashError, match=r"CTLFile\.tlv: cannot be written"):
        await boot(phone, DirectorySource(cluster.state.tftp))
    assert flash.installed(ListKind.CTL) == old


# -- the commands ----------------------------------------------------------------------------------------------------


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
    "a MAC address that is none": (["--mac", "00:11", "--model", "8861"], "is not a MAC address"),
    "an unknown model": (["--mac", "001122334455", "--model", "Nokia"], "known are 7811, 7821"),
    "a source that is none": (["--mac", "001122334455", "--model", "8861", "--from", "ftp://x"], "write tftp://HOST"),
    "four servers": (
        ["--mac", "001122334455", "--model", "8861", *["--tvs", "192.0.2.1"] * 4],
        "at most 3 TVS servers",
    ),
    "no such configuration": (["--mac", "001122334455", "--model", "8861", "--config", "/no.xml"], "cannot be read"),
    "no time": (["--mac", "001122334455", "--model", "8861", "--timeout", "0"], "not a number of seconds"),
}


@pytest.mark.parametrize(("options", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_wrong_usage(run: Run, tmp_path: Path, options: list[str], sentence: str) -> None:
    """Exit 2 and a sentence; no directory is made."""
    source = [] if "--from" in options else ["--from", str(tmp_path)]
    done = run("phone", "boot", "--state", tmp_path / "phone", *source, *options)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not (tmp_path / "phone").exists()


def test_an_lsc_is_installed_with_its_key(
    cluster: Cluster, run: Run, tmp_path: Path, make_signer: Callable[..., KeyFileSigner]
) -> None:
    """From a PEM file that only its owner can read; an open one is refused and nothing is installed."""
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


def test_names_of_models_and_devices() -> None:
    """MAC addresses and models in the forms that people write; the device name as requests carry it."""
    for text in ("b000b4ba0aee", "B0:00:B4:BA:0A:EE", "b000.b4ba.0aee", "SEPB000B4BA0AEE"):
        assert parse_mac(text) == "B000B4BA0AEE"
    assert {find_model(text).name for text in ("8861", "CP-8861", "cp-8861-K9")} == {"CP-8861"}
    assert Phone("b000b4ba0aee", find_model("8861")).device == "CP-8861-SEPB000B4BA0AEE"
