"""The published guide, end to end: the service, a TFTP server of the distribution, the emulator as a command.

Each procedure runs with a 7975, the guide's phone, and with an 8861.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from certstore.purposes import Purpose
from tests.fixtures.consoles import CONSOLES, asked, installed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running

    Tokens = tuple[KeyFileSigner, KeyFileSigner]
    Command = Callable[..., subprocess.CompletedProcess[str]]

MACS = {"CP-7975": "00:1D:A2:3B:4C:5D", "CP-8861": "B0:00:B4:BA:0A:EE"}
LOOKUP = "Certificate{}::getCertificateInformation - Looking up the certificate cache using Unique MAP ID : "


@dataclass
class CommandPhone:
    """A phone emulated with `tvs phone`."""

    model: str
    path: Path
    source: str
    tvs: Command
    run: Command
    lines: int = 0

    def boot(self, *options: object, status: int = 0) -> list[str]:
        """Boots and checks the console's line numbers; returns the lines printed after the console."""
        first = [] if self.path.exists() else ["--mac", MACS[self.model], "--model", self.model]
        done = self.tvs("phone", "boot", *first, "--state", self.path, "--from", self.source, *options)
        assert done.returncode == status, done.stdout + done.stderr
        printed = done.stdout.splitlines()
        found = [match for line in printed if (match := CONSOLES[self.model].fullmatch(line))]
        assert [int(match[1]) for match in found] == [self.lines + 1 + n for n in range(len(found))]
        self.lines += len(found)
        self.console = [f"{match[2]} {match[3]}" for match in found]
        return printed[len(found) :]

    def checksum(self) -> str:
        """The CTL file's checksum as the screen shows it."""
        lines = self.run("phone", "status", "--state", self.path).stdout.splitlines()
        return next(line.split()[2] for line in lines if line.startswith("CTL file"))


@pytest.fixture(params=["CP-7975", "CP-8861"])
def phone(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cluster: Cluster,
    tftp_server: Callable[[Path], str],
    tvs: Command,
    run: Command,
) -> CommandPhone:
    """A phone in factory state, with the cluster's TFTP server."""
    return CommandPhone(request.param, tmp_path / "phone", tftp_server(cluster.state.tftp), tvs, run)


def configuration(path: Path, running: Running) -> Path:
    """A phone's configuration file that names a TVS server, as a cluster writes it."""
    path.write_text(
        "<device><fullConfig>true</fullConfig><devicePool><name>Default</name></devicePool>"
        f'<TVS><members><member  priority="0"><port>{running.endpoint.port}</port>'
        f"<address>{running.endpoint.host}</address></member></members></TVS></device>"
    )
    return path


def matches(lines: list[str], patterns: list[str]) -> bool:
    """Whether each line matches or equals its pattern."""
    return len(lines) == len(patterns) and all(
        line == pattern or re.fullmatch(pattern, line) for line, pattern in zip(lines, patterns, strict=True)
    )


def shown_checksum(run: Command, cluster: Cluster, model: str) -> str:
    """The checksum of `tvs show ctl`: MD5 for the 7900 series, SHA-1 for the others."""
    lines = run("show", "ctl", "--state", cluster.state.path).stdout.splitlines()
    name = "(MD5)" if model == "CP-7975" else "(SHA1)"
    return next(line.removesuffix(name) for line in lines if line.endswith(name))


def query_lines(running: Running, *, until: str = "Timer started") -> list[str]:
    """The handler's trace lines of the first new query."""
    running.wait_for_new(until)
    texts = running.new_texts()
    start = texts.index("tvsHandleQueryCertReq")
    end = next(n for n, text in enumerate(texts) if until in text)
    return texts[start : end + 1]


def test_from_non_secure_to_mixed_mode(
    cluster: Cluster, phone: CommandPhone, serve: Callable[..., Running], run: Command
) -> None:
    """The installed ITL vouches for the first CTL's signer; TVS is not asked."""
    cluster.set_mode("non-secure-mode")
    cluster.delete_ctl()
    running = serve(cluster)
    assert phone.boot("--tvs", running.endpoint) == [
        "CTL  not found (CTLFile.tlv)",
        "ITL  updated (ITLFile.tlv): taken on trust, the first list of this phone",
        "File Not Found <CTLFile.tlv>",
        "Trust List updated",
        "ITL installed",
    ]
    running.new_texts()
    cluster.set_mode("mixed-mode")
    running.wait_for_new("CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified.")
    assert phone.boot() == [
        "CTL  updated (CTLFile.tlv): its signer is in the installed ITL",
        "ITL  updated (ITLFile.tlv): its signer is in the installed CTL",
        "Trust List updated",
        "CTL and ITL installed",
    ]
    assert matches(phone.console, installed(phone.model, 2))
    assert phone.checksum() == shown_checksum(run, cluster, phone.model)
    texts = running.new_texts()
    assert "updateLocalCTLCache : Refreshing the local CTL certificate cache" in texts
    assert "tvsHandleQueryCertReq" not in texts


def test_from_tokens_to_tokenless(
    cluster: Cluster, phone: CommandPhone, serve: Callable[..., Running], run: Command, tokens: Tokens
) -> None:
    """The CallManager certificate that signs now is in the installed ITL; the tokens leave the phone."""
    cluster.sign_with_tokens(tokens)
    running = serve(cluster)
    phone.boot("--tvs", running.endpoint)
    assert phone.checksum() == shown_checksum(run, cluster, phone.model)
    before, size = phone.checksum(), cluster.state.ctl_file.stat().st_size
    running.new_texts()
    cluster.update_ctl()
    running.wait_for_new("CertificateCache::localCTLCacheMonitor - CTLFile.tlv has been modified.")
    assert phone.boot() == [
        "CTL  updated (CTLFile.tlv): its signer is in the installed ITL",
        "ITL  unchanged (ITLFile.tlv)",
        "Trust List updated",
        "CTL and ITL installed",
    ]
    assert matches(phone.console, installed(phone.model, 1))
    assert phone.checksum() == shown_checksum(run, cluster, phone.model) != before
    assert cluster.state.ctl_file.stat().st_size < size
    assert "tvsHandleQueryCertReq" not in running.new_texts()


def test_from_tokenless_to_tokens(
    cluster: Cluster,
    phone: CommandPhone,
    serve: Callable[..., Running],
    run: Command,
    tokens: Tokens,
    tmp_path: Path,
) -> None:
    """No phone knows the token; the service answers from its CTL cache, and the phone installs the list."""
    running = serve(cluster)
    phone.boot("--config", configuration(tmp_path / "SEP.cnf.xml", running))
    running.new_texts()
    cluster.sign_with_tokens(tokens)
    running.wait_for_new("tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: 83E9080000005545AF31")
    running.new_texts()
    assert phone.boot() == [
        f"CTL  updated (CTLFile.tlv): TVS vouches for its signer ({running.endpoint})",
        "ITL  unchanged (ITLFile.tlv)",
        "Trust List updated",
        "CTL and ITL installed",
    ]
    assert matches(phone.console, asked(phone.model, running) + installed(phone.model, 1))
    map_id = "83E9080000005545AF31cn=Cisco Manufacturing CA;o=Cisco Systems"
    assert matches(
        query_lines(running),
        [
            "tvsHandleQueryCertReq",
            'tvsHandleQueryCertReq : Subject Name is: cn="SAST-ADN008580ef        ";ou=IPCBU;o="Cisco Systems',
            "tvsHandleQueryCertReq : Issuer Name is: cn=Cisco Manufacturing CA;o=Cisco Systems",
            "tvsHandleQueryCertReq :subjectName and issuerName matches for eToken certificate",
            "tvsHandleQueryCertReq : SAST Issuer Name is: cn=Cisco Manufacturing CA;o=Cisco Systems",
            "tvsHandleQueryCertReq : This is SAST eToken cert",
            "tvsHandleQueryCertReq : Serial Number is: 83E9080000005545AF31",
            f"{LOOKUP.format('DBCACHE')}{map_id}",
            "ERROR:CertificateDBCACHE::getCertificateInformation - Cannot find the certificate in the cache",
            f"{LOOKUP.format('CTLCache')}{map_id}, len : 61",
            "CertificateCTLCache::getCertificateInformation - Found entry {rolecount : 1}",
            "CertificateCTLCache::getCertificateInformation - {role : 0}",
            "convertX509ToDER -x509cert : 0x[0-9a-f]+",
            "tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection",
        ],
    )
    assert phone.checksum() == shown_checksum(run, cluster, phone.model)


def test_call_manager_regenerated(
    cluster: Cluster, phone: CommandPhone, serve: Callable[..., Running], run: Command
) -> None:
    """The service answers for the new signer from its DB cache, with both roles; the phone has both lists then."""
    running = serve(cluster)
    phone.boot("--tvs", running.endpoint)
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    serial, issuer = signer(run, cluster)
    running.wait_for_new(f"tvs_sql_get_all_CTL_certificate - Unique Key used for Caching :: {serial}")
    running.new_texts()
    assert phone.boot() == [
        f"CTL  updated (CTLFile.tlv): TVS vouches for its signer ({running.endpoint})",
        "ITL  updated (ITLFile.tlv): its signer is in the installed CTL",
        "Trust List updated",
        "CTL and ITL installed",
    ]
    assert matches(phone.console, asked(phone.model, running) + installed(phone.model, 2))
    assert matches(
        query_lines(running),
        [
            "tvsHandleQueryCertReq",
            f"tvsHandleQueryCertReq : Subject Name is: {issuer}",
            f"tvsHandleQueryCertReq : Issuer Name is: {issuer}",
            f"tvsHandleQueryCertReq : Serial Number is: {serial}",
            f"{LOOKUP.format('DBCACHE')}{serial}{issuer}",
            "CertificateDBCACHE::getCertificateInformation - Found entry {rolecount : 2}",
            "CertificateDBCACHE::getCertificateInformation - {role : 0}",
            "CertificateDBCACHE::getCertificateInformation - {role : 2}",
            "convertX509ToDER -x509cert : 0x[0-9a-f]+",
            "tvsHandleQueryCertReq: Timer started from tvsHandleNewPhConnection",
        ],
    )
    assert phone.checksum() == shown_checksum(run, cluster, phone.model)
    assert (phone.path / "ITLFile.tlv").read_bytes() == cluster.state.itl_file.read_bytes()


def signer(run: Command, cluster: Cluster) -> tuple[str, str]:
    """Serial number, without colons, and issuer of the CTL's signer, from `tvs show ctl`."""
    lines = run("show", "ctl", "--state", cluster.state.path).stdout.splitlines()
    values: dict[str, Any] = {}
    for line in lines:
        words = line.split(maxsplit=3)
        if len(words) == 4 and words[0].isdigit():
            values.setdefault(words[1], words[3])
    return values["SERIALNUMBER"].replace(":", ""), values["CANAME"]


def test_the_screen_shows_what_a_stranger_computes(cluster: Cluster, phone: CommandPhone) -> None:
    """The checksum on the screen is MD5 for a 7900 and SHA-1 for an 8800."""
    phone.boot()
    data = cluster.state.ctl_file.read_bytes()
    name = "md5" if phone.model == "CP-7975" else "sha1"
    assert phone.checksum() == hashlib.new(name, data, usedforsecurity=False).hexdigest()
