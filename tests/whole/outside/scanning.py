"""TLS of a running service as strangers' scanners see it: sslyze, testssl.sh and openssl's client.

All of it becomes one value for each service, which is compared with a file in `expected/`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.fixtures.running import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.fixtures.running import Running

    Seen = dict[str, Any]

EXPECTED: Final = Path(__file__).parent / "expected"
"""Folder of what is expected, a file for each profile and kind of key."""
SSLYZE: Final = Path(f"{sys.prefix}-scan") / "bin" / "python"
"""The interpreter of sslyze's environment, which `make scan` makes beside the project's."""
_COMMANDS: Final = (
    *("--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--certinfo", "--reneg", "--resum"),
    *("--compression", "--heartbleed", "--openssl_ccs", "--robot", "--fallback", "--elliptic_curves", "--ems"),
)
"""Scan commands of sslyze: all but HTTP and early data, which it fails to try when there is no ticket."""
_PROTOCOLS: Final = {
    "ssl_2_0_cipher_suites": "SSL 2.0",
    "ssl_3_0_cipher_suites": "SSL 3.0",
    "tls_1_0_cipher_suites": "TLS 1.0",
    "tls_1_1_cipher_suites": "TLS 1.1",
    "tls_1_2_cipher_suites": "TLS 1.2",
    "tls_1_3_cipher_suites": "TLS 1.3",
}
_CHECKS: Final = ("-P", "-O", "-W", "-A", "-L", "-F", "-J", "-D", "-4")
"""Checks of testssl.sh that sslyze lacks, half of its time: the server's order of suites, POODLE, SWEET32, BEAST,
LUCKY13, FREAK, LOGJAM, DROWN, RC4."""
_LEFT_OUT: Final = ("engine_problem", "service", "DROWN_hint", "scanTime", "optimal_proto", "cipher_negotiated")
"""Findings of testssl.sh that are about itself, the machine or other servers."""
_SIGNATURES: Final = (
    *("rsa_pkcs1_sha1", "rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"),
    *("rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512", "rsa_pss_pss_sha256"),
    *("ECDSA+SHA1", "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "ed25519"),
)
"""Signature algorithms that openssl's client offers, one at a time."""
_GROUPS: Final = ("X25519", "X448", "P-256", "P-384", "P-521", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe8192")
"""Groups that it offers for a key exchange of TLS 1.3, one at a time."""


def scan(services: Mapping[str, Running], folder: Path) -> dict[str, Seen]:
    """What the scanners see.

    Args:
        services: running services by name, such as ``legacy-rsa``; testssl.sh, which is slow, looks at those with RSA
            keys.
        folder: for the scanners' own files.
    """
    found = _sslyze(services, folder)
    with ThreadPoolExecutor(len(services)) as pool:
        tests = {name: pool.submit(_testssl, services[name], folder / name) for name in services if "rsa" in name}
        for name, service in services.items():
            found[name]["signature algorithms"] = {
                version: [each for each in _SIGNATURES if _takes(service, option, "-sigalgs", each)]
                for version, option in (("TLS 1.2", "-tls1_2"), ("TLS 1.3", "-tls1_3"))
            }
            found[name]["groups"]["TLS 1.3"] = [each for each in _GROUPS if _takes(service, "-tls1_3", "-groups", each)]
        for name, test in tests.items():
            found[name]["testssl.sh"] = test.result()
    return found


# -- sslyze ------------------------------------------------------------------------------------------------------------


def _sslyze(services: Mapping[str, Running], folder: Path) -> dict[str, Seen]:
    """The results of sslyze by the services' names; it shows a certificate, because it takes a request for a demand."""
    result, key, certificate = folder / "sslyze.json", folder / "client.key", folder / "client.pem"
    make = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=scan",
    ]
    subprocess.run([*make, "-keyout", key, "-out", certificate], check=True, capture_output=True, timeout=PATIENCE)
    command = [str(SSLYZE), "-W", "ignore", "-m", "sslyze", "--quiet", "--mozilla_config=disable", *_COMMANDS]
    targets = [str(service.endpoint) for service in services.values()]
    options = ["--cert", str(certificate), "--key", str(key), "--json_out", str(result)]
    subprocess.run([*command, *options, *targets], check=False, capture_output=True, timeout=3 * PATIENCE)
    scanned = json.loads(result.read_text())["server_scan_results"]
    by_port = {each["server_location"]["port"]: each["scan_result"] for each in scanned}
    return {name: _of_sslyze(by_port[service.endpoint.port]) for name, service in services.items()}


def _of_sslyze(result: Mapping[str, Any]) -> Seen:
    def value(command: str) -> Any:
        assert result[command]["status"] == "COMPLETED", (command, result[command]["error_trace"])
        return result[command]["result"]

    renegotiation, resumption = value("session_renegotiation"), value("session_resumption")
    return {
        "suites": {
            name: sorted(each["cipher_suite"]["openssl_name"] for each in value(command)["accepted_cipher_suites"])
            for command, name in _PROTOCOLS.items()
        },
        "groups": {"TLS 1.2": sorted(each["name"] for each in value("elliptic_curves")["supported_curves"] or ())},
        "certificate": _certificate(value("certificate_info")),
        "sslyze": {
            "secure renegotiation": renegotiation["supports_secure_renegotiation"],
            "renegotiations by the client": renegotiation["client_renegotiations_success_count"],
            "resumption by session id": resumption["session_id_resumption_result"],
            "resumption by ticket": resumption["tls_ticket_resumption_result"],
            "compression": value("tls_compression")["supports_compression"],
            "fallback SCSV": value("tls_fallback_scsv")["supports_fallback_scsv"],
            "extended master secret": value("tls_extended_master_secret")["supports_ems_extension"],
            "heartbleed": value("heartbleed")["is_vulnerable_to_heartbleed"],
            "CCS injection": value("openssl_ccs_injection")["is_vulnerable_to_ccs_injection"],
            "ROBOT": value("robot")["robot_result"],
        },
    }


def _certificate(info: Mapping[str, Any]) -> Seen:
    (deployment,) = info["certificate_deployments"]
    (certificate,) = deployment["received_certificate_chain"]
    key = certificate["public_key"]
    return {
        "key": f"{key['algorithm']} {key['key_size']}",
        "signature": certificate["signature_algorithm_oid"]["name"],
        "names": certificate["subject_alternative_name"],
        "OCSP response": deployment["ocsp_response"],
    }


# -- testssl.sh and openssl --------------------------------------------------------------------------------------------


def find_testssl() -> str:
    """The name of the program: Debian installs it without its suffix. Raises `FileNotFoundError`."""
    for name in ("testssl", "testssl.sh"):
        if shutil.which(name):
            return name
    raise FileNotFoundError("the program testssl.sh is not installed")


def _testssl(service: Running, folder: Path) -> dict[str, str]:
    """Findings of testssl.sh by their names, with their severity."""
    folder.mkdir()
    run_testssl(service, _CHECKS, ["--jsonfile", str(folder / "testssl.json")])
    findings = json.loads((folder / "testssl.json").read_text())
    assert not [each for each in findings if each["severity"] == "FATAL"], findings
    return {each["id"]: f"{each['severity']}: {each['finding']}" for each in findings if each["id"] not in _LEFT_OUT}


def run_testssl(service: Running, checks: Iterable[str], options: Iterable[str] = ()) -> str:
    """Runs checks of testssl.sh; none are all."""
    fixed = ("--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", service.endpoint.host)
    command = [find_testssl(), *fixed, *options, *checks, str(service.endpoint)]
    return subprocess.run(command, capture_output=True, text=True, timeout=10 * PATIENCE, check=False).stdout


def _takes(service: Running, *options: str) -> bool:
    """Whether openssl's client succeeds; for TLS 1.2 with the suites that sign."""
    suites = ("-cipher", "ECDHE:@SECLEVEL=0") if "-tls1_2" in options else ()
    command = ["openssl", "s_client", "-connect", str(service.endpoint), *options, *suites]
    return subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE, check=False).returncode == 0


# -- the expectation ---------------------------------------------------------------------------------------------------


def as_text(seen: Seen) -> str:
    """The form in which it is compared and stored."""
    return json.dumps(seen, indent=2, sort_keys=True) + "\n"


def expected(name: str) -> str:
    """What is expected of a service."""
    return (EXPECTED / f"{name}.json").read_text()
