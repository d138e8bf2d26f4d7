"""A site with Asterisk, from nothing to phones that trust it, as docs/asterisk.md says and with its files."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest

from deploy.lock import ROOT
from tests.fixtures.ports import quiet_port
from tests.fixtures.running import PATIENCE, run_tvs, services, wait_until
from tvs.phone.configuration import tvs_servers
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram

FILES = ROOT / "deploy/asterisk"
PHONE = "SEP001122334455.cnf.xml"


def run(*words: object, status: int = 0) -> str:
    """The output of a `tvs` command."""
    done = run_tvs(*words)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def own(require_program: RequireProgram, tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """A function that makes a certificate and its key with openssl, as sites of Asterisk have them."""
    openssl = require_program("openssl")

    def make(name: str) -> tuple[Path, Path]:
        certificate, key = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "825", "-subj", f"/CN={name}"]
        subprocess.run([*command, "-keyout", key, "-out", certificate], capture_output=True, check=True)
        key.chmod(0o600)
        return certificate, key

    return make


@pytest.fixture
def tftpboot(tmp_path: Path) -> Path:
    """An existing TFTP directory, with files of a site."""
    folder = tmp_path / "tftpboot"
    folder.mkdir()
    (folder / "dialplan.xml").write_text("<DIALTEMPLATE/>\n")
    return folder


@pytest.fixture
def web_root(require_program: RequireProgram, tftpboot: Path, tmp_path: Path) -> Iterator[str]:
    """nginx with our example and another port and directory; its address for --from."""
    nginx, port = require_program("nginx"), quiet_port()
    server = (FILES / "nginx-6970.conf").read_text()
    server = server.replace("listen 6970", f"listen 127.0.0.1:{port}").replace("root /srv/tftp", f"root {tftpboot}")
    assert str(port) in server
    assert str(tftpboot) in server
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; user root; pid {tmp_path}/nginx.pid; error_log stderr; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; {paths}\n{server}\n}}"
    )
    with (tmp_path / "nginx.log").open("w") as log:
        process = subprocess.Popen([nginx, "-c", str(tmp_path / "nginx.conf")], stderr=log)

    def listens() -> bool:
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(lambda: process.poll() is not None or listens(), "nginx listens")
        assert process.poll() is None, (tmp_path / "nginx.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def secure_page(require_program: RequireProgram, own: Callable[[str], tuple[Path, Path]]) -> Iterator[tuple[Path, int]]:
    """An HTTPS server of the site, such as a directory of names; its certificate and port."""
    openssl, port = require_program("openssl"), quiet_port()
    certificate, key = own("directory.example.com")
    with subprocess.Popen(
        [openssl, "s_server", "-quiet", "-www", "-accept", f"127.0.0.1:{port}", "-cert", certificate, "-key", key],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        yield certificate, port
        process.kill()


def test_from_nothing_to_a_phone_that_trusts(
    own: Callable[[str], tuple[Path, Path]],
    tftpboot: Path,
    tftp_server: Callable[[Path], str],
    web_root: str,
    secure_page: tuple[Path, int],
    tmp_path: Path,
) -> None:
    """Cluster, Asterisk's certificate, lists in the directory that exists, a configuration file: a phone installs the
    lists over TFTP, one over HTTP, and a server that is imported later is trusted through TVS."""
    state, flash = tmp_path / "state", tmp_path / "phone"
    certificate, key = own("asterisk.example.com")
    run("init", "--state", state, "--name", "tvs.example.com", "--address", "127.0.0.1")
    run("set", "cert", "import", "own", "CallManager", certificate, "--key", key, "--held", "none", "--state", state)
    run("utils", "ctl", "update", "CTLFile", "-y", "--held", "none", "--state", state)
    settings = (FILES / "tvs.toml").read_text().replace("/srv/tftp", str(tftpboot))
    (state / "tvs.toml").write_text(settings)
    run("publish", "--state", state)
    assert sorted(path.name for path in tftpboot.iterdir()) == ["CTLFile.tlv", "ITLFile.tlv", "dialplan.xml"]
    shown = run("show", "ctl", tftpboot / "CTLFile.tlv")
    assert re.search(r"SUBJECTNAME\s+\d+\s+CN=asterisk\.example\.com\n.*FUNCTION\s+2\s+CCM\+TFTP", shown)
    with services(tmp_path) as serve:
        service = serve(StateDirectory(state))
        sample = (FILES / "SEPMAC.cnf.xml").read_text()
        sample = sample.replace("<port>2445</port>", f"<port>{service.endpoint.port}</port>")
        (tftpboot / PHONE).write_text(sample.replace("192.0.2.10", "127.0.0.1"))
        tftp = tftp_server(tftpboot)
        run("check", "files", "--state", state, "--from", tftp, "--from", web_root)
        boot = ("phone", "boot", "--state", flash, "--from")
        first = json.loads(run(*boot, tftp, "--mac", "001122334455", "--model", "CP-8861", "--json"))
        assert [first["lists"][name]["outcome"] for name in ("CTL", "ITL")] == ["updated", "updated"]
        assert [str(server) for server in first["status"]["tvs_servers"]] == [str(service.endpoint)]
        page, port = secure_page
        run("phone", "https", "--state", flash, f"127.0.0.1:{port}", status=1)
        run("set", "cert", "import", "trust", "Phone-trust", page, "--state", state)
        run(*boot, web_root)
        wait_until(
            lambda: run_tvs("phone", "https", "--state", flash, f"127.0.0.1:{port}").returncode == 0,
            "the phone trusts the server through TVS",
        )


def test_a_later_change_reaches_the_directory(tftpboot: Path, tmp_path: Path) -> None:
    """A change of the lists puts them into the directory of the settings, and touches no other file there."""
    state = tmp_path / "state"
    run("init", "--state", state, "--name", "tvs.example.com", "--address", "192.0.2.10")
    (state / "tvs.toml").write_text((FILES / "tvs.toml").read_text().replace("/srv/tftp", str(tftpboot)))
    run("publish", "--state", state)
    before = (tftpboot / "CTLFile.tlv").read_bytes()
    assert "Published in" in run("utils", "ctl", "update", "CTLFile", "-y", "--state", state)
    assert (tftpboot / "CTLFile.tlv").read_bytes() == (state / "tftp/CTLFile.tlv").read_bytes() != before
    assert (tftpboot / "dialplan.xml").read_text() == "<DIALTEMPLATE/>\n"


def test_asterisk_on_a_machine_of_its_own(own: Callable[[str], tuple[Path, Path]], tmp_path: Path) -> None:
    """As a node it needs no key here: its certificate is in the list as call manager, with its address."""
    state = tmp_path / "state"
    run("init", "--state", state, "--name", "tvs.example.com", "--address", "192.0.2.10")
    certificate, _ = own("asterisk.example.com")
    run("set", "node", "add", "asterisk.example.com", "--address", "192.0.2.20", "--call-manager", certificate,
        "--held", "none", "--state", state)  # fmt: skip
    run("utils", "ctl", "update", "CTLFile", "-y", "--held", "none", "--state", state)
    assert re.search(
        r"SUBJECTNAME\s+\d+\s+CN=asterisk\.example\.com\n.*CCM\+TFTP", run("show", "ctl", "--state", state)
    )


def test_the_sample_as_phones_read_it() -> None:
    """One TVS server, by address and port, in an element straight after the device pool."""
    data = (FILES / "SEPMAC.cnf.xml").read_bytes()
    assert [str(server) for server in tvs_servers(data)] == ["192.0.2.10:2445"]
    assert re.search(rb"</devicePool>\s*(<!--[^>]*-->\s*)?<TVS>", data)


def test_the_page_has_the_files() -> None:
    """The page shows the settings that the files have, and names each file."""
    page = (ROOT / "docs/asterisk.md").read_text("utf-8")
    assert [path.name for path in FILES.iterdir() if f"deploy/asterisk/{path.name}" not in page] == []
    assert f"publish = {json.dumps(tomllib.loads((FILES / 'tvs.toml').read_text())['publish'])}" in page
