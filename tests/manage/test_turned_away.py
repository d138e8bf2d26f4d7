"""Phones that the service turns away have no name, and no change goes past them unnoticed."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from certstore.devices import Device, Unserved
from tests.fixtures.processes import until
from tvs.manage.turnedaway import Unanswered
from tvs.plan.model import TurnedAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.administrator import Administrator
    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]

PHONE, OTHER = "127.0.0.9", "127.0.0.10"
OLD_PHONE = ("-tls1", "-cipher", "AES256-SHA:@SECLEVEL=0")
"""What a phone of the 7900 series offers."""
REGEN = ("regen", "CallManager", "--held", "current")


def connect(openssl: str, service: Running, address: str, *options: str) -> None:
    """A phone at an address of this machine tries a handshake, which fails."""
    command = [openssl, "s_client", "-connect", str(service.endpoint), "-bind", f"{address}:0", *options]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0, done.stdout


async def test_phones_that_the_profile_turns_away(
    admin: Administrator, serve: Serve, require_program: RequireProgram
) -> None:
    """A change that 7900 phones need TVS for is refused as soon as one was turned away, and goes on by each way out."""
    openssl, service = require_program("openssl"), serve(admin.state)
    before = json.loads(admin("ctl", "plan", *REGEN, "--json").out)
    assert (before["safe"], before["phones"]) == (True, ["with-tvs"])
    connect(openssl, service, PHONE, *OLD_PHONE)
    connect(openssl, service, OTHER, "-verify_return_error")  # as a phone that does not know the certificate
    shown = ("show", "phones", "--at-risk", "--json")
    await until(lambda: len(json.loads(admin(*shown).out)["turned_away"]) == 2, "both are recorded")

    plan = json.loads(admin("ctl", "plan", *REGEN, "--json").out)
    assert (plan["safe"], plan["phones"]) == (False, ["tls1.0", "with-tvs"])
    assert plan["fleet"]["turned_away"] == {"addresses": 2, "old_tls": [PHONE], "others": [OTHER]}
    refused = admin("set", "cert", *REGEN, "-y")
    assert refused.status == 1
    assert f"{PHONE}) offered TLS 1.1 at most" in refused.err
    rollout = admin("ctl", "rollout").out
    assert "Turned away in the handshake: 2 addresses (" in rollout

    admin.does("fleet", "forget", "--address", PHONE, "-y")
    plan = json.loads(admin("ctl", "plan", *REGEN, "--json").out)
    assert (plan["safe"], plan["phones"]) == (True, ["with-tvs"])
    connect(openssl, service, PHONE, *OLD_PHONE)
    await until(lambda: not json.loads(admin("ctl", "plan", *REGEN, "--json").out)["safe"], "it is recorded again")
    admin.does("set", "phones", "with-tvs")
    assert json.loads(admin("ctl", "plan", *REGEN, "--json").out)["safe"]
    admin.does("set", "phones", "with-tvs", "tls1.0")
    (admin.state.path / "tvs.toml").write_text('tls_profile = "legacy"\n')
    service.reload()
    admin.does("set", "cert", *REGEN, "-y")
    recorded = json.loads(admin(*shown).out)["turned_away"]
    assert {row["address"] for row in recorded} == {PHONE, OTHER}, "plans tried TLS 1.0 too, and are no phones"


@pytest.mark.parametrize(
    ("device", "version", "left"),
    [
        (Device("SEP1", model="CP-7975", addresses="192.0.2.9", last=20, requests=1, tls="TLSv1"), "TLSv1", False),
        (Device("SEP1", model="CP-7975", addresses="192.0.2.9", last=9, requests=1, tls="TLSv1"), "TLSv1", True),
        (Device("SEP1", model="CP-8861", addresses="192.0.2.9", last=20, requests=1, tls="TLSv1.2"), "TLSv1", True),
        (Device("SEP1", model="CP-8861", addresses="192.0.2.9", last=20, requests=1, tls="TLSv1.2"), "", False),
        (Device("SEP1", model="CP-8861", addresses="192.0.2.8 192.0.2.9", last=20, requests=1), "", True),
        (Device("SEP1", model="CP-8861", listed=int(time.time())), "", True),
    ],
)
def test_addresses_at_which_a_phone_was_served_since(device: Device, version: str, left: bool) -> None:
    """They do not count, if it can have been the same phone: after it failed, there, and with TLS as old."""
    row = Unserved("192.0.2.9", "pub", 10, 10, "unsupported_version", version, 1)
    unanswered = Unanswered({row.address: row})
    assert list(unanswered.without([device])) == [device]
    assert bool(unanswered) is left
    assert unanswered.turned_away.all == (("192.0.2.9",) if left else ())


def test_addresses_in_order() -> None:
    """Those that offered TLS 1.1 at most stand apart, and those that failed last first."""
    rows = [
        Unserved(address, "pub", 1, last, "unsupported_version", version, 1)
        for address, last, version in (
            ("192.0.2.2", 1, "TLSv1.1"),
            ("192.0.2.3", 5, "TLSv1"),
            ("192.0.2.4", 2, "TLSv1.2"),
            ("192.0.2.5", 3, ""),
        )
    ]
    found = Unanswered({row.address: row for row in rows}).turned_away
    assert found == TurnedAway(old=("192.0.2.3", "192.0.2.2"), others=("192.0.2.5", "192.0.2.4"))
