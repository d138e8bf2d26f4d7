"""`show cert`: fingerprints, names, roles, time to live and validity of a certificate."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from tests.fixtures.certificates import NOT_AFTER, certificate
from tests.plan.situations import entry
from tvs.cli.show.certificate_output import entry_json, entry_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.administrator import Administrator


def openssl_says(require_program: Callable[[str], str], der: bytes, *options: str) -> str:
    """The answer of `openssl x509` about a certificate."""
    command = [require_program("openssl"), "x509", "-inform", "DER", "-noout", *options]
    return subprocess.run(command, input=der, check=True, capture_output=True).stdout.decode()


def test_fields_of_an_own_certificate(admin: Administrator, require_program: Callable[[str], str]) -> None:
    """Fingerprints and alternative names are those that openssl prints; roles and validity stand with them."""
    der = admin.situation().require(Purpose.CallManager)
    shown = json.loads(admin.does("show", "cert", "own", "CallManager", "--json").out)
    for name in ("sha1", "sha256"):
        said = openssl_says(require_program, der, "-fingerprint", f"-{name}")
        assert shown[name] == said.partition("=")[2].strip().replace(":", "").lower()
    assert shown["alternative_names"] == ["DNS:cucm-1051-a-pub", "IP:127.0.0.1"]
    said = openssl_says(require_program, der, "-ext", "subjectAltName")
    assert "DNS:cucm-1051-a-pub, IP Address:127.0.0.1" in said
    assert shown["roles"] == [{"code": 0, "name": "SAST"}, {"code": 2, "name": "CCM+TFTP"}]
    assert (shown["subject"], shown["issuer"], shown["node"]) == (
        *("CN=cucm-1051-a-pub;OU=TAC;O=Cisco",) * 2,
        "cucm-1051-a-pub",
    )
    assert shown["days_left"] in (5 * 365 - 1, 5 * 365)
    assert (shown["time_to_live"], shown["chosen_roles"]) == (None, [])
    page = admin.does("show", "cert", "own", "CallManager").lines
    rest = page[page.index("]") + 1 :]
    assert rest == [
        "Subject          CN=cucm-1051-a-pub;OU=TAC;O=Cisco",
        "Issuer           CN=cucm-1051-a-pub;OU=TAC;O=Cisco",
        "Also named       DNS:cucm-1051-a-pub, IP:127.0.0.1",
        f"Serial number    {shown['serial_number']}",
        f"SHA-1            {shown['sha1']}",
        f"SHA-256          {shown['sha256']}",
        "Roles            0 SAST, 2 CCM+TFTP",
        "Time to live     as the service's settings say",
        rest[-1],
    ]
    assert rest[-1].startswith("Valid to         20")
    assert rest[-1].endswith(f" UTC, {shown['days_left']} days left")


def test_roles_and_time_to_live_of_a_trusted_certificate(admin: Administrator) -> None:
    """The roles are those of all entries, as answers carry them; the roles chosen for this entry stand beside."""
    file = admin.state.path / "one.cer"
    file.write_bytes(certificate("CN=one"))
    words = ("set", "cert", "import", "trust")
    admin.does(*words, "Phone-trust", file, "--role", "CCM", "--time-to-live", "600")
    admin.does(*words, "Phone-VPN-trust", file)
    lines = admin.does("show", "cert", "trust", "Phone-trust/one").lines
    assert {
        "Roles            1 CCM, 26 VPN",
        "Chosen here      1 CCM",
        "Time to live     600 s",
        "Also named       none",
    } < set(lines)
    assert not [line for line in admin.does("show", "cert", "trust", "Phone-VPN-trust/one").lines if "Chosen" in line]
    admin.does(*words, "TVS-trust", file)
    admin.does("set", "cert", "delete", "Phone-trust", "one")
    admin.does("set", "cert", "delete", "Phone-VPN-trust", "one")
    shown = json.loads(admin.does("show", "cert", "trust", "one", "--json").out)
    assert (shown["unit"], shown["roles"], shown["time_to_live"]) == ("TVS-trust", [], 600)
    assert (
        "Roles            none: TVS vouches for it only if the CTL file does"
        in admin.does(*("show", "cert", "trust", "one")).lines
    )


def test_the_list(admin: Administrator) -> None:
    """The list keeps its one line a certificate; `--long` and JSON have the fields of each."""
    lines = admin.does("show", "cert", "list", "own").lines
    assert [line.partition(":")[0] for line in lines] == [
        f"{unit}/{unit}.pem" for unit in ("CallManager", "TVS", "CAPF", "ITLRecovery")
    ]
    long = admin.does("show", "cert", "list", "own", "--long").lines
    assert [line for line in long if not line.startswith("  ")] == lines
    assert [line for line in long if line.startswith("  Roles")] == [
        *("  Roles            0 SAST, 2 CCM+TFTP", "  Roles            21 TVS"),
        *("  Roles            4 CAPF", "  Roles            0 SAST"),
    ]
    listed = json.loads(admin.does("show", "cert", "list", "own", "--json").out)
    for item in listed:
        shown = json.loads(admin.does("show", "cert", "own", item["unit"], "--json").out)
        assert item.items() <= shown.items()


@pytest.mark.parametrize(
    ("before_end", "days", "text"),
    [
        (timedelta(days=2), 2, "2040-03-04 12:30:00 UTC, 2 days left"),
        (timedelta(hours=1), 0, "2040-03-04 12:30:00 UTC, 0 days left"),
        (timedelta(hours=-1), -1, "2040-03-04 12:30:00 UTC, expired 0 days ago"),
        (timedelta(days=-3, hours=-1), -4, "2040-03-04 12:30:00 UTC, expired 3 days ago"),
    ],
)
def test_days_left(before_end: timedelta, days: int, text: str) -> None:
    """Whole days up to the end of validity, negative after it."""
    of, now = entry(Purpose.Phone_trust, certificate()), NOT_AFTER - before_end
    assert entry_json(of, (), now)["days_left"] == days
    assert entry_lines(of, (), now)[-1] == f"Valid to         {text}"


def test_names_with_control_characters() -> None:
    """Control characters of a name do not reach the terminal."""
    of = entry(Purpose.Phone_trust, certificate("CN=a\x1b[2J"))
    assert of.certificate == Certificate.from_der(certificate("CN=a\x1b[2J"))
    assert entry_lines(of, (), datetime.fromisoformat("2026-01-01T00:00:00Z"))[0] == "Subject          CN=a\\x1b[2J"
