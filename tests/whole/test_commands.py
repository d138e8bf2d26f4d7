"""The commands as a new user runs them, some against a running service."""

from __future__ import annotations

import json
import stat
import subprocess
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tests.fixtures.ports import quiet_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]


def query(tvs: Tvs, service: Running, *options: str) -> subprocess.CompletedProcess[str]:
    """`tvs query` against the service, with its ITL as trust."""
    return tvs("query", "--server", str(service.endpoint), "--trust", str(service.state.itl_file), *options)


def test_signer_of_the_own_ctl_is_trusted(serve: Callable[..., Running], tvs: Tvs, state: StateDirectory) -> None:
    """The README's query: the signer of the running service's CTL file is trusted, with roles, for 86400 s."""
    done = query(tvs, serve(), "--ctl", str(state.ctl_file))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Trusted"
    assert "  Roles         0 SAST" in lines
    assert "  Time to live  86400 s" in lines
    assert "  Signature     the file is signed with this certificate's key" in lines


def test_unknown_serial_is_not_trusted(serve: Callable[..., Running], tvs: Tvs) -> None:
    """An unknown serial number is not trusted: exit status 1."""
    done = query(tvs, serve(), "--subject", "CN=a", "--issuer", "CN=a", "--serial", "0A:0B")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "Not trusted")


def test_stopped_service_gives_no_answer(serve: Callable[..., Running], tvs: Tvs, state: StateDirectory) -> None:
    """A stopped service: exit status 3 and one sentence, no traceback."""
    service = serve("--listen", f"127.0.0.1:{quiet_port()}")
    assert service.stop() == 0
    done = query(tvs, service, "--ctl", str(state.ctl_file))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"tvs: {service.endpoint} does not accept the connection: Connection refused\n"


def test_server_that_the_trust_file_does_not_know(
    serve: Callable[..., Running], tvs: Tvs, state: StateDirectory
) -> None:
    """A server whose certificate is not in the trust file is not asked: exit status 3."""
    service = serve()
    done = tvs("query", "--server", str(service.endpoint), "--trust", str(state.ctl_file), "--ctl", str(state.ctl_file))
    assert done.returncode == 3
    assert "is not in" in done.stderr
    assert not any("Incoming Phone Msg" in line for line in service.lines())


def test_query_in_json(serve: Callable[..., Running], tvs: Tvs, state: StateDirectory) -> None:
    """`--json` gives the whole answer for machines."""
    answer = json.loads(query(tvs, serve(), "--ctl", str(state.ctl_file), "--json").stdout)
    assert answer["trusted"] is True
    assert [role["code"] for role in answer["roles"]] == [0]
    assert answer["time_to_live"] == 86_400
    assert answer["signs_the_list"] is True


def test_certificate_query_and_verification(
    serve: Callable[..., Running],
    tvs: Tvs,
    state: StateDirectory,
    tmp_path: Path,
    require_program: Callable[[str], str],
) -> None:
    """An imported certificate is soon trusted; one with the same names and another key is not."""
    service = serve()
    files = [tmp_path / f"{number}.pem" for number in (1, 2)]
    for file in files:
        subprocess.run(
            [
                *(require_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-set_serial", "0x77"),
                *("-subj", "/O=Cisco/CN=service.example.com", "-keyout", str(file) + ".key", "-out", str(file)),
            ],
            check=True,
            capture_output=True,
        )
    assert query(tvs, service, "--certificate", str(files[0])).returncode == 1
    done = tvs("set", "cert", "import", "trust", "Phone-SAST-trust", str(files[0]), "--state", str(state.path))
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "Successfully imported certificate for Phone-SAST-trust."
    service.wait_for_line("generation=2")
    for options in ((), ("--verify",)):
        asked = query(tvs, service, "--certificate", str(files[0]), *options)
        assert (asked.returncode, "0 SAST, 3 TFTP" in asked.stdout) == (0, True)
    assert query(tvs, service, "--certificate", str(files[1])).returncode == 0  # the same identity
    assert query(tvs, service, "--certificate", str(files[1]), "--verify").returncode == 1  # but other bytes
    listed = tvs("show", "cert", "list", "trust", "--state", str(state.path)).stdout
    assert "Phone-SAST-trust/service.example.com.pem: " in listed
    deleted = tvs("set", "cert", "delete", "Phone-SAST-trust", "service.example.com.pem", "--state", str(state.path))
    assert deleted.returncode == 0
    service.wait_for_line("generation=3")
    assert query(tvs, service, "--certificate", str(files[0])).returncode == 1


def test_certificate_without_a_role(
    serve: Callable[..., Running], tvs: Tvs, state: StateDirectory, tmp_path: Path
) -> None:
    """A certificate whose only purpose gives no role is not trusted, and the trace says why."""
    service = serve()
    store = state.store()
    der = store.entry(Purpose.TVS, "TVS").certificate.der  # the CTL file does not have it
    store.delete(Purpose.TVS, "TVS")
    store.import_certificate(der, Purpose.CallManager_trust)
    store.close()
    service.wait_for_line("db_refreshed certificates=4 generation=")
    (tmp_path / "c.der").write_bytes(der)
    service.wait_for_line("generation=2")
    assert query(tvs, service, "--certificate", str(tmp_path / "c.der")).returncode == 1
    service.wait_for_line("certificate has no role, not trusted")
    service.wait_for_line("result=no_role")


def test_certificate_page_agrees_with_openssl(
    tvs: Tvs, state: StateDirectory, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    """`show cert own CallManager` shows the serial number and key that openssl sees."""
    done = tvs("show", "cert", "own", "CallManager", "--state", str(state.path))
    assert done.returncode == 0
    store = state.store()
    (tmp_path / "c.der").write_bytes(store.entry(Purpose.CallManager, "CallManager").certificate.der)
    store.close()
    openssl = [require_program("openssl"), "x509", "-inform", "DER", "-in", str(tmp_path / "c.der"), "-noout"]
    serial = subprocess.run([*openssl, "-serial"], check=True, capture_output=True, text=True).stdout.strip()
    modulus = subprocess.run([*openssl, "-modulus"], check=True, capture_output=True, text=True).stdout.strip()
    lines = done.stdout.splitlines()
    assert f"Serial Number: {serial.partition('=')[2]}" in lines
    assert "SignatureAlgorithm: SHA256withRSA (1.2.840.113549.1.1.11)" in lines
    assert modulus.partition("=")[2].lower() in done.stdout.replace("\n", "")


def test_init_makes_private_things_private(tvs: Tvs, tmp_path: Path) -> None:
    """Only their owner can read the keys that `tvs init` makes; an existing directory is left as it is."""
    made = tmp_path / "deep" / "state"
    done = tvs("init", "--state", str(made), "--name", "pub.example.com", "--address", "192.0.2.10")
    assert done.returncode == 0
    keys = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made / "keys").iterdir()}
    assert {name.partition("-")[0] for name in keys} == {"CallManager", "TVS", "CAPF", "ITLRecovery"}
    assert list(keys.values()) == [0o600] * 4
    assert stat.S_IMODE((made / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((made / "tvs.db").stat().st_mode) == 0o600
    assert tvs("show", "ctl", "--state", str(made)).returncode == 0
    assert tvs("show", "itl", "--state", str(made)).returncode == 0
    before = (made / "tftp" / "CTLFile.tlv").read_bytes()
    again = tvs("init", "--state", str(made))
    assert again.returncode == 1
    assert "exists and is not empty" in again.stderr
    assert (made / "tftp" / "CTLFile.tlv").read_bytes() == before


def test_wrong_usage_says_what_to_do(tvs: Tvs, state: StateDirectory, tmp_path: Path) -> None:
    """Wrong input gets one sentence on standard error and no traceback."""
    directory = ("--state", str(state.path))
    (tmp_path / "junk").write_bytes(b"\x01\x00\x02\x01")
    cases = {
        ("query", "--server", "127.0.0.1", "--insecure"): (2, "say what to ask for"),
        ("query", "--server", "127.0.0.1:x", "--insecure", "--ctl", str(state.ctl_file)): (2, "no port"),
        ("query", "--server", "127.0.0.1", "--insecure", "--ctl", str(tmp_path / "junk")): (2, "damaged trust list"),
        ("query", "--server", "127.0.0.1", "--trust", str(tmp_path / "none"), "--ctl", str(state.ctl_file)): (
            2,
            "cannot be read",
        ),
        ("show", "cert", "own", "CallMgr", *directory): (1, "show cert list own"),
        ("set", "cert", "import", "trust", "Phone-SAST", str(tmp_path / "junk"), *directory): (2, "Phone-SAST-trust"),
        ("set", "cert", "import", "trust", "Phone-SAST-trust", str(tmp_path / "junk"), *directory): (1, "junk"),
        ("set", "cert", "delete", "Phone-SAST-trust", "nobody.pem", *directory): (1, "nobody"),
        ("show", "cert", "list", "own", "--state", str(tmp_path / "nowhere")): (1, "tvs init"),
        ("serve", "--state", str(tmp_path / "nowhere")): (1, "tvs init"),
        ("serve", *directory, "--listen", "127.0.0.1"): (2, "--listen"),
    }
    for arguments, (status, words) in cases.items():
        done = tvs(*arguments)
        assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (status, True, False), (
            arguments,
            done.stderr,
        )


def test_every_command_has_help(tvs: Tvs) -> None:
    """Each command has a help text, with exit status 0."""
    for words in (
        "",
        "serve",
        "init",
        "query",
        "show",
        "set",
        "show ctl",
        "show itl",
        "show cert",
        "show cert list",
        "show cert own",
        "show tls-profile",
        "set cert",
        "set cert import trust",
        "set cert delete",
    ):
        done = tvs(*words.split(), "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: tvs {words}".rstrip())
