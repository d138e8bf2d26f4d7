"""Metrics, probes and warnings of a running service, as an operator watches them."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from tests.fixtures.certificates import NOT_AFTER as NOT_AFTER_OF_TRUSTED
from tests.fixtures.certificates import certificate, pem
from tests.fixtures.running import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tvs.state import StateDirectory

    Command = Callable[..., subprocess.CompletedProcess[str]]

NOT_AFTER = "tvs_certificate_not_after_timestamp_seconds"
TROUBLE = re.compile(r"\\| (warning|error) ")


def signer_end(path: Path) -> float:
    """End of the certificate that a list has of its signer."""
    record = parse_trust_list(path.read_bytes()).signer_record
    assert record is not None
    assert record.certificate is not None
    return Certificate.from_der(record.certificate).not_after.timestamp()


def test_expiry_of_all_certificates(serve: Serve, scrape: Scrape, state: StateDirectory, tvs: Command) -> None:
    """Every own certificate and both lists' signers have their end; a change is in the next scrape, without a reload.

    The TVS certificate is that which phones are presented, until the service is reloaded.
    """
    service = serve("--workers", "2")
    with closing(state.store()) as store:
        own = store.entries(own=True)
    found = {name: value for name, value in scrape(service).items() if name.startswith(NOT_AFTER)}
    expected = {
        f'{NOT_AFTER}{{name="{entry.name}",use="{entry.unit}"}}': entry.certificate.not_after.timestamp()
        for entry in own
    }
    for path in (state.ctl_file, state.itl_file):
        expected[f'{NOT_AFTER}{{name="{path.name}",use="signer"}}'] = signer_end(path)
    assert found == expected
    assert len(own) >= 4
    for unit in ("CAPF", "TVS"):
        done = tvs("set", "cert", "regen", unit, "-y", "--force", "--state", state.path)
        assert done.returncode == 0, done.stderr
    capf, presented = (f'{NOT_AFTER}{{name="{unit}.pem",use="{unit}"}}' for unit in ("CAPF", "TVS"))
    wait_until(lambda: scrape(service)[capf] > found[capf], "the new CAPF certificate")
    assert scrape(service)[presented] == found[presented]
    service.reload()
    wait_until(lambda: scrape(service)[presented] > found[presented], "the new TVS certificate")


def test_limits_and_trust(serve: Serve, scrape: Scrape, state: StateDirectory, tvs: Command, tmp_path: Path) -> None:
    """The limits are those of the settings, also after a reload; imports and signers that are gone are seen."""
    (state.path / "tvs.toml").write_text("max_connections = 300\n")
    service = serve()
    limit, later = 'tvs_connections_limit{reason="connections"}', 'tvs_trusted_certificates{expires="later"}'
    signer = 'tvs_list_signer_trusted{name="ITLFile.tlv"}'
    before = scrape(service)
    assert (before[limit], before['tvs_connections_limit{reason="half_open"}'], before[signer]) == (300, 2000, 1)
    (tmp_path / "phone.pem").write_bytes(pem(certificate(serial=0x77)))
    done = tvs("set", "cert", "import", "trust", "Phone-trust", tmp_path / "phone.pem", "--state", state.path)
    assert done.returncode == 0, done.stderr
    state.ctl_file.unlink()
    with closing(state.store()) as store:
        store.delete(Purpose.ITLRecovery, "ITLRecovery")
    (state.path / "tvs.toml").write_text("max_connections = 400\n")
    service.reload()
    wait_until(lambda: scrape(service)[limit] == 400, "the new limit")
    after = scrape(service)
    assert (after[later], after[signer]) == (before[later] + 1, 0)
    assert after["tvs_trusted_certificates_next_expiry_timestamp_seconds"] == NOT_AFTER_OF_TRUSTED.timestamp()


@pytest.mark.parametrize("mode", ["non-secure", "mixed"])
def test_service_without_a_ctl_file(
    serve: Serve, scrape: Scrape, probe: Probe, state: StateDirectory, mode: str
) -> None:
    """In non-secure mode it is no failure anywhere; in mixed mode the metric and a warning say that it is missing."""
    with closing(state.store()) as store:
        store.set_parameter("ClusterSecurityMode", str(int(mode == "mixed")))
    state.ctl_file.unlink()
    service = serve("--log-level", "info")
    status, document = probe(service, "/readyz")
    assert (status, document["reasons"]) == (200, [])
    assert probe(service, "/healthz")[0] == 200
    metrics = scrape(service)
    missing = metrics['tvs_ctl_reloads_total{result="missing"}'], metrics['tvs_ctl_reloads_total{result="absent"}']
    warnings = [line for line in service.lines() if TROUBLE.search(line)]
    if mode == "mixed":
        assert (metrics["tvs_ctl_signature_valid"], missing) == (0, (1, 0))
        assert [line for line in warnings if "ctl_missing" in line] == warnings != []
    else:
        assert (metrics["tvs_ctl_signature_valid"], missing) == (1, (0, 1))
        assert warnings == []


async def test_refused_signer_in_the_warnings(serve: Serve) -> None:
    """An operator who watches warnings sees the phone and the signer that it was refused."""
    service = serve("--log-level", "warning")
    async with service.client() as phone:
        await phone.query(device="CP-8861-SEPB000B4BA0AEE", subject="CN=s", issuer="CN=i", serial=b"\x0a")
    service.wait_for_line(
        "warning signer_refused address=127.0.0.1 device=CP-8861-SEPB000B4BA0AEE "
        'subject="CN=s" issuer="CN=i" serial=0A result=not_found'
    )
