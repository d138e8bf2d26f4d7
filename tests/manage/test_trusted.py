"""`set cert import trust` and `set cert delete`: planned, stopped for phones, with ways out that work."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from tests.fixtures.refusals import ctl_of
from tests.fixtures.running import wait_until
from tests.manage.phones import agree, held_by_phones, installed
from tests.manage.plans import itl_of, planned, replaced, saved, settings, worst
from tvs.client.connection import TVSClient
from tvs.client.trust import ServerTrust
from tvs.phone import Refusal, Voucher
from tvs.phone.https import connect
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import HeldLists, PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator, Done
    from tests.fixtures.running import Running
    from tvs.phone.reports import HTTPSReport

    MakeSigner = Callable[..., KeyFileSigner]
    Serve = Callable[..., Running]

WITH_TVS, TLS10, WITHOUT_TVS = PhoneKind
SAST_TRUST = "Phone-SAST-trust"


def stopped(admin: Administrator, code: Code, *words: object) -> str:
    """The error of a command that is stopped for a finding; the cluster is as it was before."""
    before = admin.situation()
    done = admin(*words)
    assert done.status == 1, done.out
    assert done.out == ""
    assert "phones would be lost; nothing was changed" in done.err
    assert f"\ntvs: {code}: " in done.err
    assert "Way out: " in done.err
    assert "--force" in done.err
    assert admin.situation() == before
    return done.err


def trusted(admin: Administrator, unit: str = SAST_TRUST) -> list[bytes]:
    """The certificates in a trust store."""
    return [entry.certificate.der for entry in admin.situation().entries if entry.unit == unit]


@pytest.fixture
def itl_of_stranger(for_all: Administrator, stranger: KeyFileSigner, tmp_path: Path) -> HeldLists:
    """The lists of phones in a cluster whose ITL was replaced by a stranger's, which TVS vouches for."""
    held = held_by_phones(for_all)
    file = saved(stranger.certificate, tmp_path / "stranger.cer")
    for_all.does("set", "cert", "import", "trust", SAST_TRUST, file)
    replaced(for_all.state.itl_file, itl_of(for_all, stranger))
    return held


@pytest.fixture
def ctl_of_stranger(for_all: Administrator, stranger: KeyFileSigner) -> HeldLists:
    """The lists of phones in a cluster whose CTL was replaced by a stranger's, which TVS knows from the file alone."""
    held = held_by_phones(for_all)
    replaced(for_all.state.ctl_file, ctl_of(stranger))
    return held


# -- deletion --------------------------------------------------------------------------------------------------------


async def test_delete_of_a_signer_that_phones_need(
    for_all: Administrator, serve: Serve, itl_of_stranger: HeldLists
) -> None:
    """Stopped while phones have to ask about the signer; after the update of the ITL, the way out, it goes through."""
    admin, held = for_all, itl_of_stranger
    service = serve(admin.state)
    assert (await agree(admin, service, held))[WITH_TVS][1].decision is Decision.TVS
    error = stopped(admin, Code.SIGNER_UNKNOWN, "set", "cert", "delete", SAST_TRUST, "stranger")
    assert "tvs utils itl update ITLFile" in error
    assert worst(planned(admin, "delete", SAST_TRUST, "stranger"), Code.SIGNER_UNKNOWN) == "error"
    admin.does("utils", "itl", "update", "ITLFile", "-y")
    done = admin.does("set", "cert", "delete", SAST_TRUST, "stranger")
    assert done.lines[0] == "Successfully deleted Phone-SAST-trust/stranger.pem."
    outcomes = await agree(admin, service, held)
    assert {outcomes[kind][1].decision for kind in (WITH_TVS, TLS10)} == {Decision.OWN_LIST}


async def test_delete_with_force_and_back(
    for_all: Administrator, serve: Serve, itl_of_stranger: HeldLists, tmp_path: Path
) -> None:
    """`--force` deletes it and phones are lost as planned; its import from a copy brings them back."""
    admin, held = for_all, itl_of_stranger
    kept = tmp_path / "kept.pem"
    kept.write_text(admin.does("show", "cert", "trust", "Phone-SAST-trust/stranger.pem", "--pem").out)
    service = serve(admin.state)
    admin.does("set", "cert", "delete", SAST_TRUST, "stranger.pem", "--force")
    service.wait_for_line("generation=2")
    assert (await agree(admin, service, held))[WITH_TVS][1].refusal is Refusal.UNKNOWN_SIGNER
    admin.does("set", "cert", "import", "trust", SAST_TRUST, kept)
    service.wait_for_line("generation=3")
    assert (await agree(admin, service, held))[WITH_TVS][1].decision is Decision.TVS


def test_delete_once_phones_hold_the_list(for_all: Administrator, itl_of_stranger: HeldLists) -> None:
    """`--held current`: phones that have the stranger's ITL need nobody to vouch for it; a warning stays."""
    assert itl_of_stranger.itl is not None
    done = for_all.does("set", "cert", "delete", SAST_TRUST, "stranger", "--held", "current")
    assert "tvs: warning: signer-unknown-to-tvs: ITLFile.tlv: TVS does not know its signer" in done.err
    assert "tvs: warning: trust-withdrawn: " in done.err


async def test_delete_that_leaves_another_unit(
    for_all: Administrator, serve: Serve, ctl_of_stranger: HeldLists, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """A CTL's signer in two stores: out of Phone-SAST-trust, phones are told of its other role and refuse the list."""
    admin, file = for_all, saved(stranger.certificate, tmp_path / "stranger.cer")
    for unit in (SAST_TRUST, "Phone-trust"):
        admin.does("set", "cert", "import", "trust", unit, file)
    error = stopped(admin, Code.SIGNER_NOT_SAST, "set", "cert", "delete", SAST_TRUST, "stranger")
    assert "delete it from that unit first" in error
    admin.does("set", "cert", "delete", "Phone-trust", "stranger")
    admin.does("set", "cert", "delete", SAST_TRUST, "stranger")
    answer = (await agree(admin, serve(admin.state), ctl_of_stranger))[WITH_TVS][0].answer
    assert answer is not None
    assert answer.source == "ctl"


async def test_delete_of_a_server_of_secure_urls(
    for_all: Administrator, serve: Serve, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """No phone is lost with Phone-trust: a warning says what phones refuse then, as the running service answers."""
    admin, certificate = for_all, Certificate.from_der(stranger.certificate)
    admin.does("set", "cert", "import", "trust", "Phone-trust", saved(certificate.der, tmp_path / "web.cer"))
    service, trust = serve(admin.state), ServerTrust.from_file(admin.state.itl_file)

    async def vouched() -> tuple[int, ...]:
        async with TVSClient(service.endpoint, trust) as client:
            return (await client.verify(device="CP-8861", certificate=certificate.der)).roles

    assert await vouched() == (7,)
    done = admin.does("set", "cert", "delete", "Phone-trust", "stranger")
    assert done.lines[0] == "Successfully deleted Phone-trust/stranger.pem."
    assert "as APP-SERVER: phones that hold no list with it refuse secure URLs of its server" in done.err
    assert "tvs show cert trust Phone-trust/stranger.pem --pem > FILE" in done.err
    service.wait_for_line("generation=2")
    assert await vouched() == ()


async def test_emulated_phones_refuse_secure_urls_as_the_warning_says(
    for_all: Administrator, other: Administrator, serve: Serve, tmp_path: Path
) -> None:
    """A phone opens an HTTPS server in Phone-trust (here another cluster's service), and not after the deletion."""
    admin, certificate = for_all, other.situation().require(Purpose.TVS)
    server, held = serve(other.state), held_by_phones(admin)
    admin.does("set", "cert", "import", "trust", "Phone-trust", saved(certificate, tmp_path / "web.cer"))
    service = serve(admin.state)
    (name,) = (entry.name for entry in admin.situation().entries if not entry.own)

    async def opened() -> HTTPSReport:
        return await connect(installed(held, WITH_TVS, service), server.endpoint)

    assert (await opened()).voucher is Voucher.TVS
    assert "refuse secure URLs of its server" in admin.does("set", "cert", "delete", "Phone-trust", name).err
    service.wait_for_line("generation=2")
    assert (await opened()).refusal is Refusal.UNKNOWN_SIGNER


@pytest.mark.parametrize("unit", ["CallManager-trust", "CAPF-trust", "TVS-trust", "directory-trust"])
def test_delete_from_a_unit_without_a_role(
    admin: Administrator, stranger: KeyFileSigner, tmp_path: Path, unit: str
) -> None:
    """TVS never vouched for it: nothing is said."""
    admin.does("set", "cert", "import", "trust", unit, saved(stranger.certificate, tmp_path / "c.cer"))
    done = admin.does("set", "cert", "delete", unit, "stranger", "--json")
    result = json.loads(done.out)
    assert result | {"unit": unit, "name": "stranger.pem", "deleted": True} == result
    assert done.err == ""
    assert not trusted(admin, unit)


@pytest.mark.parametrize("words", [("set", "cert", "delete"), ("ctl", "plan", "delete")], ids=" ".join)
def test_delete_of_what_is_not_there(admin: Administrator, words: tuple[str, ...]) -> None:
    """A name that is not there, and an own certificate: one sentence, status 1."""
    for unit, name, sentence in (
        (SAST_TRUST, "nobody.pem", "there is no certificate Phone-SAST-trust/nobody.pem"),
        ("TVS", "TVS.pem", "tvs set cert regen TVS"),
    ):
        done = admin(*words, unit, name)
        assert done.status == 1
        assert sentence in done.err


# -- import ----------------------------------------------------------------------------------------------------------


async def test_import_that_hides_a_role(
    for_all: Administrator, serve: Serve, ctl_of_stranger: HeldLists, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """The CTL's signer as Phone-trust alone: stopped, because TVS would answer from the database, without SAST."""
    admin, file = for_all, saved(stranger.certificate, tmp_path / "stranger.cer")
    service = serve(admin.state)
    error = stopped(admin, Code.SIGNER_NOT_SAST, "set", "cert", "import", "trust", "Phone-trust", file)
    assert "tvs set cert import trust Phone-SAST-trust FILE" in error
    admin.does("set", "cert", "import", "trust", "Phone-trust", file, "--force")
    service.wait_for_line("generation=2")
    assert (await agree(admin, service, ctl_of_stranger))[WITH_TVS][0].refusal is Refusal.NOT_SAST
    admin.does("set", "cert", "import", "trust", SAST_TRUST, file)
    service.wait_for_line("generation=3")
    assert (await agree(admin, service, ctl_of_stranger))[WITH_TVS][0].decision is Decision.TVS


async def test_import_of_a_twin(for_all: Administrator, serve: Serve, make_signer: MakeSigner, tmp_path: Path) -> None:
    """A certificate with serial number and issuer of the CTL's signer hides that; deleting it needs no --force."""
    admin, held = for_all, held_by_phones(for_all)
    signer, twin = (make_signer("CN=twin;O=Elsewhere", "0BADCAFF", 2048) for _ in range(2))
    replaced(admin.state.ctl_file, ctl_of(signer))
    file = saved(twin.certificate, tmp_path / "twin.cer")
    service = serve(admin.state)
    error = stopped(admin, Code.SIGNER_DIFFERENT, "set", "cert", "import", "trust", SAST_TRUST, file)
    assert "another serial number" in error
    admin.does("set", "cert", "import", "trust", SAST_TRUST, file, "--force")
    service.wait_for_line("generation=2")
    assert (await agree(admin, service, held))[WITH_TVS][0].refusal is Refusal.WRONG_CERTIFICATE
    admin.does("set", "cert", "delete", SAST_TRUST, "twin")
    service.wait_for_line("generation=3")
    assert (await agree(admin, service, held))[WITH_TVS][0].decision is Decision.TVS


def test_import_into_a_cluster_with_lost_phones(
    for_all: Administrator, make_signer: MakeSigner, tmp_path: Path
) -> None:
    """Phones refuse both lists; the import of either signer is not stopped for the other list, and then all is well."""
    admin = for_all
    first, second = (make_signer(f"CN=signer{n};O=Elsewhere", f"0BADCAF{n}", 2048) for n in (1, 2))
    watched = saved(admin.state.ctl_file.read_bytes(), tmp_path / "watched.tlv")
    settings(admin, tls_profile="legacy", ctl_file=str(watched))
    replaced(admin.state.ctl_file, ctl_of(first))
    replaced(admin.state.itl_file, itl_of(admin, second))
    assert worst(planned(admin), Code.SIGNER_UNKNOWN) == "error"
    file = saved(first.certificate, tmp_path / "first.cer")
    said = admin("ctl", "plan", "import", SAST_TRUST, file)
    assert said.lines[-1] == "Phones would be lost, with or without this change."
    admin.does("set", "cert", "import", "trust", SAST_TRUST, file)
    assert admin("set", "cert", "regen", "TVS", "-y").status == 1, "what cannot be undone is stopped all the same"
    admin.does("set", "cert", "import", "trust", SAST_TRUST, saved(second.certificate, tmp_path / "second.cer"))
    assert Code.SIGNER_UNKNOWN not in planned(admin)


def test_import_says_what_it_always_said(admin: Administrator, stranger: KeyFileSigner, tmp_path: Path) -> None:
    """The original's line, and names for machines; the same import again changes nothing."""
    file = saved(stranger.certificate, tmp_path / "stranger.cer")
    words = ("set", "cert", "import", "trust", "phone-sast-trust", file)
    done = admin.does(*words)
    assert (done.out, done.err) == ("Successfully imported certificate for Phone-SAST-trust.\n", "")
    again = admin.does(*words, "--json", "--time-to-live", 600)
    (imported,) = json.loads(again.out)["imported"]
    assert (imported["unit"], imported["name"]) == (SAST_TRUST, "stranger.pem")
    (entry,) = (entry for entry in admin.situation().entries if entry.unit is Purpose.Phone_SAST_trust)
    assert (entry.description, entry.time_to_live) == ("Trust Certificate", 600)


def wrong(done: Done, status: int, sentence: str) -> None:
    """A command failed so."""
    assert (done.status, sentence in done.err) == (status, True), done.err


def test_import_of_what_cannot_be_imported(admin: Administrator, make_signer: MakeSigner, tmp_path: Path) -> None:
    """An own unit, an odd time to live, a certificate that the database cannot tell from another one."""
    one, other = (make_signer("CN=twin;O=Elsewhere", "0BADCAFF", 2048) for _ in range(2))
    file = saved(one.certificate, tmp_path / "one.cer")
    words = ("set", "cert", "import", "trust")
    wrong(admin(*words, "CallManager", file), 2, "is CallManager-trust meant?")
    for seconds in (0, 2**32):
        wrong(admin(*words, SAST_TRUST, file, "--time-to-live", seconds), 2, f"{seconds} is not in 1 … 4294967295")
    admin.does(*words, "CallManager-trust", file)
    twin = saved(other.certificate, tmp_path / "other.cer")
    for command in (words, ("ctl", "plan", "import")):
        wrong(admin(*command, SAST_TRUST, twin), 1, "another certificate with serial number 0BADCAFF")
    assert not trusted(admin)


async def test_the_running_service_notices_within_a_second(
    admin: Administrator, serve: Serve, stranger: KeyFileSigner, tmp_path: Path
) -> None:
    """The answer about an imported certificate changes without a reload, within a second on an idle machine."""
    service, trust = serve(admin.state), ServerTrust.from_file(admin.state.itl_file)
    certificate = Certificate.from_der(stranger.certificate)
    admin.does("set", "cert", "import", "trust", SAST_TRUST, saved(certificate.der, tmp_path / "c.cer"))
    wait_until(lambda: "generation=2" in service.log.read_text(), "the new database read")
    async with TVSClient(service.endpoint, trust) as client:
        answer = await client.verify(device="CP-8861", certificate=certificate.der)
    assert answer.roles == (0, 3)
