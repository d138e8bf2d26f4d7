"""`set cert import trust … --role`: roles chosen by an administrator, and what phones do with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.purposes import Purpose
from proto.roles import TrustRole, role_name
from tests.manage.phones import agree, held_by_phones, installed
from tests.manage.plans import itl_of, planned, replaced, saved, worst
from tvs.client.connection import TVSClient
from tvs.client.trust import ServerTrust
from tvs.phone import Refusal, Voucher
from tvs.phone.https import connect
from tvs.plan.boot import Decision
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]

IMPORT = ("set", "cert", "import", "trust")
WITH_TVS = PhoneKind.WITH_TVS


@pytest.fixture
def asterisk(stranger: KeyFileSigner, tmp_path: Path) -> Path:
    """The certificate of an Asterisk server, as a file."""
    return saved(stranger.certificate, tmp_path / "asterisk.cer")


async def test_answers_carry_chosen_roles(
    admin: Administrator, serve: Serve, asterisk: Path, stranger: KeyFileSigner
) -> None:
    """The running service answers with the chosen roles, by name in any case and by number, and with no others."""
    service, trust = serve(admin.state), ServerTrust.from_file(admin.state.itl_file)
    done = admin.does(*IMPORT, "Phone-SAST-trust", asterisk, "--role", "ccm", "--role", "7")
    assert (done.status, done.lines[0]) == (0, "Successfully imported certificate for Phone-SAST-trust.")
    assert done.err == ""
    service.wait_for_line("generation=2")
    certificate = Certificate.from_der(stranger.certificate)
    async with TVSClient(service.endpoint, trust) as client:
        answer = await client.verify(device="CP-8861", certificate=certificate.der)
    assert answer.roles == (1, 7)


async def test_a_server_of_services_cannot_sign_lists(
    for_all: Administrator, serve: Serve, asterisk: Path, stranger: KeyFileSigner
) -> None:
    """Phones refuse a list signed by a certificate that is CCM and APP-SERVER, and the plan says so.

    With the roles of Phone-SAST-trust, they take the same list.
    """
    admin, held = for_all, held_by_phones(for_all)
    admin.does(*IMPORT, "Phone-SAST-trust", asterisk, "--role", "CCM", "--role", "APP-SERVER")
    replaced(admin.state.itl_file, itl_of(admin, stranger))
    service = serve(admin.state)
    outcome = (await agree(admin, service, held))[WITH_TVS][1]
    assert (outcome.decision, outcome.refusal) == (Decision.REFUSES, Refusal.NOT_SAST)
    assert worst(planned(admin), Code.SIGNER_NOT_SAST) == "error"
    admin.does(*IMPORT, "Phone-SAST-trust", asterisk, "--role", "SAST", "--role", "TFTP")
    service.wait_for_line("generation=2")
    assert (await agree(admin, service, held))[WITH_TVS][1].decision is Decision.TVS


async def test_secure_urls_of_an_asterisk_server(
    for_all: Administrator, other: Administrator, serve: Serve, tmp_path: Path
) -> None:
    """A phone opens an HTTPS server that was imported as CCM and APP-SERVER, and not one that is CCM alone."""
    admin, certificate = for_all, other.situation().require(Purpose.TVS)
    server, held = serve(other.state), held_by_phones(admin)
    file = saved(certificate, tmp_path / "web.cer")
    admin.does(*IMPORT, "CallManager-trust", file, "--role", "CCM", "--role", "APP-SERVER")
    service = serve(admin.state)
    assert (await connect(installed(held, WITH_TVS, service), server.endpoint)).voucher is Voucher.TVS
    done = admin.does(*IMPORT, "CallManager-trust", file, "--role", "CCM")
    assert "tvs: warning: trust-withdrawn: " in done.err
    service.wait_for_line("generation=2")
    assert (await connect(installed(held, WITH_TVS, service), server.endpoint)).voucher is None


def test_an_import_without_a_role(admin: Administrator, asterisk: Path) -> None:
    """A warning names the option; the import is done; machines find it among the findings; the plan has it too."""
    words = ("CallManager-trust", asterisk)
    assert worst(planned(admin, "import", *words), Code.WITHOUT_ROLE) == "warning"
    done = admin.does(*IMPORT, *words)
    assert done.out == "Successfully imported certificate for CallManager-trust.\n"
    assert done.err.startswith("tvs: warning: without-role: CallManager-trust gives no role to CN=stranger;O=Elsewhere")
    assert "phones that ask TVS about it will not trust it" in done.err
    assert "--role ROLE" in done.err
    result = json.loads(admin.does(*IMPORT, "TVS-trust", asterisk, "--json").out)
    assert "without-role" in [finding["code"] for finding in result["findings"]]
    assert result["imported"][0]["roles"] == []


def test_chosen_roles_for_machines(admin: Administrator, asterisk: Path) -> None:
    """The JSON of an import has the entry's roles, and a change of roles as a change of the certificate."""
    words = (*IMPORT, "CallManager-trust", asterisk, "--json")
    result = json.loads(admin.does(*words, "--role", "CCM+TFTP", "--role", "app_server").out)
    assert "without-role" not in [finding["code"] for finding in result["findings"]]
    assert result["imported"][0]["roles"] == [{"code": 2, "name": "CCM+TFTP"}, {"code": 7, "name": "APP-SERVER"}]
    result = json.loads(admin.does(*words, "--role", "7").out)
    assert [(entry["change"], entry["roles"]) for entry in result["certificates"]] == [
        ("changed", [{"code": 7, "name": "APP-SERVER"}])
    ]


def test_the_plan_of_an_import_with_roles(admin: Administrator, asterisk: Path) -> None:
    """`tvs ctl plan import … --role` plans the same change: here roles that are taken back."""
    words = ("import", "Phone-SAST-trust", asterisk)
    assert Code.WITHOUT_ROLE not in planned(admin, "import", "CallManager-trust", asterisk, "--role", "ccm")
    admin.does(*IMPORT, "Phone-SAST-trust", asterisk)
    assert Code.TRUST_WITHDRAWN not in planned(admin, *words)
    (finding,) = planned(admin, *words, "--role", "TFTP")[Code.TRUST_WITHDRAWN]
    assert " as SAST: " in finding["sentence"]
    assert admin.does("show", "cert", "trust", "Phone-SAST-trust/stranger.pem").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            (*IMPORT, "Phone-trust", "FILE", "--role", "phone"),
            "there is no role 'phone'; roles: 0 SAST, 1 CCM, 2 CCM+TFTP",
        ),
        ((*IMPORT, "Phone-trust", "FILE", "--role", "28"), "255 UNKNOWN"),
        (("ctl", "plan", "import", "Phone-trust", "FILE", "--role", "x"), "there is no role 'x'; roles: "),
        (("ctl", "plan", "update", "--role", "SAST"), "roles are chosen for an import"),
    ],
)
def test_wrong_roles(admin: Administrator, words: tuple[str, ...], sentence: str) -> None:
    """Wrong usage: the choices are listed, and nothing is changed."""
    done = admin(*words)
    assert done.status == 2
    assert sentence in done.err
    assert not [entry for entry in admin.situation().entries if not entry.own]


def test_the_help_names_all_roles(admin: Administrator) -> None:
    """The help of an import lists every role with its number."""
    text = " ".join(admin.does(*IMPORT, "--help").out.split())
    for role in TrustRole:
        assert f"{int(role)} {role_name(role)}" in text
