"""TLS with phones of each generation, openssl's client in their place."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.running import Running

NOT_TRUSTED = bytes.fromhex("57010400 000003e9 0004 07000101")
"""QUERY_CERT_RES, session id 1001, status 1 and nothing else."""
TLS12 = ("-tls1_2", "-cipher", "AES256-SHA")
TLS10 = ("-tls1", "-cipher", "AES256-SHA:@SECLEVEL=0")


def handshake(openssl: str, service: Running, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs openssl's client for one handshake; its output has the result."""
    command = [openssl, "s_client", "-connect", str(service.endpoint), *options]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_compatible_serves_tls_1_2_phones(
    serve: Callable[..., Running], ask_raw: Callable[..., bytes], published_query: bytes
) -> None:
    """The compatible profile answers a TLS 1.2 phone that has AES256-SHA only."""
    assert ask_raw(serve("--tls-profile", "compatible"), published_query, *TLS12) == NOT_TRUSTED


def test_compatible_refuses_tls_1_0(serve: Callable[..., Running], require_program: Callable[[str], str]) -> None:
    """The compatible profile refuses TLS 1.0; the log says so."""
    service = serve("--tls-profile", "compatible")
    tried = handshake(require_program("openssl"), service, *TLS10)
    assert tried.returncode != 0
    assert "protocol version" in tried.stderr
    service.wait_for_line("handshake_failed address=127.0.0.1 reason=unsupported_version")


@pytest.mark.parametrize(
    ("profile", "phone", "offered"),
    [("compatible", TLS10, "TLSv1"), ("modern", TLS12, "TLSv1.2"), ("modern", TLS10, "TLSv1")],
    ids=["compatible, TLS 1.0", "modern, TLS 1.2", "modern, TLS 1.0"],
)
def test_hint_of_a_refused_phone_serves_it(
    serve: Callable[..., Running],
    require_program: Callable[[str], str],
    ask_raw: Callable[..., bytes],
    published_query: bytes,
    scrape: Callable[[Running], dict[str, float]],
    profile: str,
    phone: tuple[str, ...],
    offered: str,
) -> None:
    """A refused phone is counted by its version, and a service with the profile that the line names answers it."""
    service = serve("--tls-profile", profile)
    assert handshake(require_program("openssl"), service, *phone).returncode != 0
    service.wait_for_line("handshake_failed address=127.0.0.1")
    line = next(line for line in service.lines() if "handshake_failed" in line)
    hint = re.search(rf'offered={re.escape(offered)} hint="tls_profile = \\"(\w+)\\" serves this client"', line)
    assert hint is not None, line
    counter = f'tvs_tls_handshakes_refused_total{{offered="{offered}"}}'
    wait_until(lambda: scrape(service)[counter] == 1, "the refusal is counted")
    service.stop()
    assert ask_raw(serve("--tls-profile", hint[1]), published_query, *phone) == NOT_TRUSTED


def test_legacy_serves_tls_1_0_phones(
    serve: Callable[..., Running], ask_raw: Callable[..., bytes], published_query: bytes
) -> None:
    """The legacy profile answers a TLS 1.0 phone of the 7900 series, and newer phones."""
    service = serve("--tls-profile", "legacy")
    assert ask_raw(service, published_query, *TLS10) == NOT_TRUSTED
    assert ask_raw(service, published_query, *TLS12) == NOT_TRUSTED


def test_modern_wants_forward_secrecy(
    serve: Callable[..., Running],
    require_program: Callable[[str], str],
    ask_raw: Callable[..., bytes],
    published_query: bytes,
) -> None:
    """The modern profile refuses RSA key exchange and takes ECDHE."""
    service = serve("--tls-profile", "modern")
    assert handshake(require_program("openssl"), service, *TLS12).returncode != 0
    service.wait_for_line("reason=no_shared_cipher")
    assert ask_raw(service, published_query, "-tls1_2", "-cipher", "ECDHE") == NOT_TRUSTED
    assert ask_raw(service, published_query, "-tls1_3") == NOT_TRUSTED


def test_no_session_is_kept(serve: Callable[..., Running], require_program: Callable[[str], str]) -> None:
    """The service gives neither a ticket nor a session id: each contact is a full handshake."""
    shown = handshake(require_program("openssl"), serve(), "-tls1_2").stdout
    assert "New, TLSv1.2" in shown
    assert "TLS session ticket" not in shown
    session_id = next(line for line in shown.splitlines() if "Session-ID:" in line)
    assert session_id.split(":")[1].strip() == ""


@pytest.fixture
def phone_certificate(
    tmp_path: Path, require_program: Callable[[str], str]
) -> Callable[[str], tuple[Path, Path, Path]]:
    """Makes a CA and a phone's certificate with openssl: CA file, certificate, key."""
    openssl = require_program("openssl")

    def make(name: str) -> tuple[Path, Path, Path]:
        ca, ca_key, request = (tmp_path / f"{name}-{part}" for part in ("ca.pem", "ca.key", "phone.csr"))
        certificate, key = tmp_path / f"{name}-phone.pem", tmp_path / f"{name}-phone.key"
        new = [openssl, "req", "-newkey", "rsa:2048", "-nodes"]
        for command in (
            [*new, "-x509", "-subj", f"/O=Cisco Systems/CN={name}", "-keyout", ca_key, "-out", ca],
            [*new, "-subj", "/O=Cisco/CN=CP-8861-SEPB000B4BA0AEE", "-keyout", key, "-out", request],
            [
                openssl,
                "x509",
                "-req",
                "-in",
                request,
                "-CA",
                ca,
                "-CAkey",
                ca_key,
                "-CAcreateserial",
                "-out",
                certificate,
            ],
        ):
            subprocess.run(list(map(str, command)), check=True, capture_output=True)
        return ca, certificate, key

    return make


def test_any_phone_certificate_is_recorded(
    serve: Callable[..., Running],
    ask_raw: Callable[..., bytes],
    published_query: bytes,
    scrape: Callable[[Running], dict[str, float]],
    phone_certificate: Callable[[str], tuple[Path, Path, Path]],
) -> None:
    """With `request` a phone may show any certificate or none; it is counted and traced."""
    service = serve("--client-certificates", "request")
    _, certificate, key = phone_certificate("Cisco Manufacturing CA SHA2")
    assert ask_raw(service, published_query, *TLS12, "-cert", str(certificate), "-key", str(key)) == NOT_TRUSTED
    assert ask_raw(service, published_query, *TLS12) == NOT_TRUSTED
    service.wait_for_line("CN=CP-8861-SEPB000B4BA0AEE;O=Cisco")
    shown = 'tvs_tls_client_certificates_total{issuer_class="manufacturing",presented="yes"}'
    none = 'tvs_tls_client_certificates_total{issuer_class="none",presented="no"}'
    wait_until(lambda: sum(scrape(service)[metric] for metric in (shown, none)) >= 2, "both are counted")
    counted = scrape(service)
    assert (counted[shown], counted[none]) == (1, 1)


def test_required_phone_certificates(
    serve: Callable[..., Running],
    ask_raw: Callable[..., bytes],
    published_query: bytes,
    require_program: Callable[[str], str],
    phone_certificate: Callable[[str], tuple[Path, Path, Path]],
) -> None:
    """With `require` only phones with a certificate of a CA in the file are accepted."""
    openssl = require_program("openssl")
    ca, certificate, key = phone_certificate("CAPF")
    _, stranger, stranger_key = phone_certificate("Stranger")
    service = serve("--client-certificates", "require", "--client-ca", str(ca))
    assert ask_raw(service, published_query, *TLS12, "-cert", str(certificate), "-key", str(key)) == NOT_TRUSTED
    assert handshake(openssl, service, *TLS12).returncode != 0
    service.wait_for_line("reason=certificate_missing")
    assert handshake(openssl, service, *TLS12, "-cert", str(stranger), "-key", str(stranger_key)).returncode != 0
    service.wait_for_line("reason=certificate_refused")


def test_p256_server_key(serve: Callable[..., Running], tmp_path: Path, require_program: Callable[[str], str]) -> None:
    """A TVS certificate with a P-256 key, made by `tvs init --tvs-key p256`, is served with ECDSA."""
    from tvs.manage.provision import NewCluster, initialise  # noqa: PLC0415 - here only
    from tvs.units import KeyType  # noqa: PLC0415 - here only

    other = initialise(tmp_path / "p256", NewCluster(name="pub", tvs_key=KeyType.P256))
    service = serve("--state", str(other.path))
    assert "ECDHE-ECDSA-AES256-GCM-SHA384" in handshake(require_program("openssl"), service, "-tls1_2").stdout


def test_profiles_are_printed_as_openssl_names_them(tvs: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """`tvs show tls-profile` lists the suites of Cisco's service first in the compatible profile."""
    shown = tvs("show", "tls-profile", "compatible").stdout.splitlines()
    assert shown[0].startswith("compatible:")
    assert "TLS 1.2" in shown[1]
    older = [line.strip() for line in shown[2:] if not line.strip().startswith("TLS_")]
    assert older[:6] == [
        "AES256-GCM-SHA384",
        "AES256-SHA256",
        "AES256-SHA",
        "AES128-GCM-SHA256",
        "AES128-SHA256",
        "AES128-SHA",
    ]
