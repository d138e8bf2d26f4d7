"""Changes before phones have fetched lists, or after all have: the refusal names the option, and the option works."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from certstore.purposes import Purpose
from ctlcache.digests import Digest
from tests.fixtures.administrator import Administrator
from tests.manage.phones import agree, held_by_phones
from tests.manage.plans import settings
from tvs.manage.provision import NewCluster, initialise
from tvs.plan.boot import Decision
from tvs.plan.phones import HeldLists, PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram
    from tests.fixtures.running import Running

    Import = Callable[..., object]

CURRENT = "tvs: if all phones have fetched the current lists, add --held current"
NONE = "tvs: if no phone has fetched a list of this cluster yet, add --held none"
UPDATE = ("utils", "ctl", "update", "CTLFile", "-y")


@pytest.fixture
def fresh(tmp_path: Path) -> Administrator:
    """The administrator of a new cluster for all phones, whose CallManager signs."""
    cluster = NewCluster(name="pub", address="127.0.0.1", signer=Purpose.CallManager, digest=Digest.SHA1)
    admin = Administrator(initialise(tmp_path / "fresh", cluster))
    settings(admin, tls_profile="legacy")
    admin.does("set", "phones", "with-tvs", "tls1.0", "without-tvs")
    return admin


@pytest.fixture
def own_pair(require_program: RequireProgram, tmp_path: Path) -> Callable[[str], tuple[object, ...]]:
    """Words of an import: a certificate and key that openssl made for the unit."""
    openssl = require_program("openssl")

    def make(unit: str) -> tuple[object, ...]:
        command = (
            f"req -x509 -newkey rsa:2048 -nodes -keyout {unit}.key -out {unit}.pem -days 300 -subj /CN={unit}-made"
        )
        subprocess.run([openssl, *command.split()], check=True, capture_output=True, cwd=tmp_path)
        (tmp_path / f"{unit}.key").chmod(0o600)
        return ("set", "cert", "import", "own", unit, tmp_path / f"{unit}.pem", "--key", tmp_path / f"{unit}.key")

    return make


async def test_own_certificates_before_any_phone(
    fresh: Administrator, own_pair: Callable[[str], tuple[object, ...]], serve: Callable[..., Running]
) -> None:
    """All own certificates of a new cluster are replaced, one after the other; each kind of phone then boots."""
    for unit in ("CallManager", "TVS", "ITLRecovery", "CAPF"):
        words = own_pair(unit)
        done = fresh(*words)
        if done.status != 0:
            assert NONE in done.err.splitlines()
            fresh.does(*words, "--held", "none")
        fresh.does(*UPDATE, "--held", "none")
        der = fresh.situation().own(Purpose(unit))
        assert der is not None
        assert x509.load_der_x509_certificate(der).subject.rfc4514_string() == f"CN={unit}-made"
    found = await agree(fresh, serve(fresh.state), HeldLists())
    assert {ctl.decision for ctl, _ in found.values()} == {Decision.FIRST}
    assert found[PhoneKind.TLS10][1].decision is Decision.OWN_LIST


async def test_own_certificates_after_all_phones_fetched(
    fresh: Administrator, own_pair: Callable[[str], tuple[object, ...]], serve: Callable[..., Running]
) -> None:
    """A second certificate within a day: phones that hold the current lists, as the option says, take the new ones."""
    fresh.does("set", "phones", "with-tvs", "tls1.0")
    fresh.does(*own_pair("CallManager"))
    fresh.does(*UPDATE)
    held = held_by_phones(fresh)
    refused = fresh(*own_pair("TVS"))
    assert refused.status == 1
    assert CURRENT in refused.err.splitlines()
    fresh.does(*own_pair("TVS"), "--held", "current")
    found = await agree(fresh, serve(fresh.state), held)
    for kind in (PhoneKind.WITH_TVS, PhoneKind.TLS10):
        assert [fetched.decision for fetched in found[kind]] == [Decision.UNCHANGED, Decision.OWN_LIST]


def test_option_is_named_only_if_it_helps(fresh: Administrator) -> None:
    """A 7960 with the current lists is lost with a new signer: only 'none' is named; neither for a damaged list."""
    refused = fresh("set", "cert", "regen", "CallManager", "-y")
    assert refused.status == 1
    assert NONE in refused.err.splitlines()
    assert CURRENT not in refused.err
    named = fresh("set", "cert", "regen", "CallManager", "-y", "--held", fresh.state.ctl_file)
    assert named.status == 1
    assert not {NONE, CURRENT} & set(named.err.splitlines()), "files were named"
    again = fresh("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    assert NONE in again.err.splitlines()
    fresh.state.ctl_file.write_bytes(fresh.state.ctl_file.read_bytes()[:-7])
    damaged = fresh("set", "cert", "regen", "TVS", "-y")
    assert damaged.status == 1
    assert not {NONE, CURRENT} & set(damaged.err.splitlines())


def test_recorded_phones_count_whatever_phones_are_said_to_hold(today: Administrator, tmp_path: Path) -> None:
    """Phones of the record that know SHA-1 only are lost by another digest; no option about held lists hides them."""
    inventory = tmp_path / "phones.csv"
    inventory.write_text("Name,Model\nSEP000000000001,Cisco 7975\n")
    today.does("import", "phones", inventory)
    sha512 = ("set", "digest", "sha512", "-y")
    for held in ((), ("--held", "none"), ("--held", "current"), ("--held", today.state.ctl_file)):
        refused = today(*sha512, *held)
        assert refused.status == 1
        assert not {NONE, CURRENT} & set(refused.err.splitlines())
        assert PhoneKind.TLS10.phones in refused.err
    today.does("set", "phones", "with-tvs")
    today.does(*sha512)


def test_lists_between_two_steps_are_not_fetched(fresh: Administrator) -> None:
    """A phone that fetches its first lists between a regeneration and the update would be lost: 'none' excludes it."""
    fresh.does("set", "cert", "regen", "CallManager", "-y", "--held", "none")
    plan = fresh("ctl", "plan", "--held", "none")
    assert plan.status == 1
    assert "ITLFile.tlv: refused" in plan.out
    fresh.does(*UPDATE, "--held", "none")
    assert fresh("ctl", "plan", "--held", "none").status == 0
