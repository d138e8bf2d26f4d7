"""Plans that ask the TVS servers: a service that was not reloaded, one that is away, one that answers otherwise."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from certstore.generations import NodeReport
from certstore.purposes import Purpose
from tests.fixtures.administrator import PUBLISHER, Administrator
from tests.fixtures.ports import quiet_port
from tests.fixtures.running import wait_until
from tests.manage.phones import emulated, held_by_phones
from tests.manage.plans import planned, settings, worst
from tvs.phone import Refusal
from tvs.plan.model import Code
from tvs.plan.phones import PhoneKind
from tvs.state import StateDirectory
from tvs.system.presence import is_used

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.running import Running

    Serve = Callable[..., Running]

REGEN = ("set", "cert", "regen", "CallManager", "-y", "--held", "current")
"""Phones that hold the present lists must ask TVS about the new signer."""
ABOUT_SERVERS = {Code.SERVICE_BEHIND, Code.SERVER_UNREACHABLE, Code.SERVER_ANSWERS_OTHERWISE}


def reloaded(service: Running) -> None:
    """Reloads a service, and waits until its workers present what the database has."""
    before = sum("reloaded" in line for line in service.lines())
    service.reload()
    wait_until(lambda: sum("reloaded" in line for line in service.lines()) > before, "the reload")


def about_servers(admin: Administrator, *words: object) -> set[Code]:
    """The codes of a plan's findings about servers."""
    return ABOUT_SERVERS.intersection(planned(admin, *words))


# -- the two cases that went wrong -----------------------------------------------------------------------------------


async def test_a_certificate_that_is_not_presented_yet(admin: Administrator, serve: Serve) -> None:
    """After `regen TVS` without a reload, `regen CallManager` is refused by name: phones do refuse its list. The way
    out works."""
    service = serve(admin.state)
    assert about_servers(admin) == set()
    admin.does("set", "cert", "regen", "TVS", "-y")
    held = held_by_phones(admin)
    refused = admin(*REGEN, "--json")
    assert refused.status == 1
    shown = json.loads(refused.out)
    found = [finding for finding in shown["findings"] if finding["code"] == Code.SERVICE_BEHIND]
    assert [finding["severity"] for finding in found] == ["error"]
    assert PUBLISHER.name in found[0]["sentence"]
    assert f"reload the service on {PUBLISHER.name}: systemctl reload tvs, or SIGHUP" in found[0]["way_out"]
    assert f"{Code.SERVICE_BEHIND}: " in admin(*REGEN).err
    assert worst(planned(admin), Code.SERVICE_BEHIND) == "warning", "as long as no phone needs an answer"

    reloaded(service)
    assert about_servers(admin, "regen", "CallManager", "--held", "current") == set()
    admin.does(*REGEN)
    report = await emulated(held, PhoneKind.WITH_TVS, service, admin.state.tftp)
    assert report.itl.refusal is None


async def test_what_the_plan_says_is_what_phones_do(admin: Administrator, serve: Serve) -> None:
    """The change that the plan stops, made by force: an emulated phone refuses the list that the plan names."""
    service = serve(admin.state)
    admin.does("set", "cert", "regen", "TVS", "-y")
    held = held_by_phones(admin)
    assert not json.loads(admin("ctl", "plan", "regen", "CallManager", "--held", "current", "--json").out)["safe"]
    admin.does(*REGEN, "--force")
    report = await emulated(held, PhoneKind.WITH_TVS, service, admin.state.tftp)
    assert report.itl.refusal is Refusal.TVS_UNTRUSTED


async def test_a_profile_that_is_not_in_use_yet(admin: Administrator, serve: Serve) -> None:
    """With `legacy` in tvs.toml and no reload, phones that speak TLS 1.0 would be lost: said by name. After a reload
    they are not."""
    service = serve(admin.state)
    words = ("regen", "CallManager", "--held", "current", "--phones", "with-tvs,tls1.0")
    settings(admin, tls_profile="legacy")
    found = planned(admin, *words)
    assert ABOUT_SERVERS.intersection(found) == {Code.SERVICE_BEHIND}
    assert worst(found, Code.SERVICE_BEHIND) == "error"
    assert "TLS 1.0" in found[Code.SERVICE_BEHIND][0]["sentence"]
    held = held_by_phones(admin)
    reloaded(service)
    assert about_servers(admin, *words) == set()
    done = json.loads(admin("ctl", "plan", *words, "--json").out)
    assert done["safe"]
    assert [server["takes_tls10"] for server in done["servers"]] == [True]
    admin.does(*REGEN, "--phones", "with-tvs,tls1.0")
    report = await emulated(held, PhoneKind.TLS10, service, admin.state.tftp)
    assert report.itl.refusal is None


# -- other servers ---------------------------------------------------------------------------------------------------


def test_offline(admin: Administrator, serve: Serve) -> None:
    """With --offline nobody is asked: the plan is that of database and settings."""
    service = serve(admin.state)
    admin.does("set", "cert", "regen", "TVS", "-y", "--offline")
    done = admin.does("ctl", "plan", "regen", "CallManager", "--held", "current", "--offline", "--json")
    shown = json.loads(done.out)
    assert (shown["safe"], shown["servers"]) == (True, [])
    assert not any("TVS-CHECK" in line for line in service.lines())
    admin.does(*REGEN, "--offline")


def test_no_service(admin: Administrator) -> None:
    """Before the first start of a service a plan is safe, with a note that nobody could be asked."""
    found = planned(admin, "regen", "CallManager", "--held", "current")
    assert ABOUT_SERVERS.intersection(found) == {Code.SERVER_UNREACHABLE}
    assert worst(found, Code.SERVER_UNREACHABLE) == "note"
    assert PUBLISHER.name in found[Code.SERVER_UNREACHABLE][0]["sentence"]
    assert Code.SERVER_UNREACHABLE not in admin.does(*REGEN).err


def test_a_service_that_has_stopped(admin: Administrator, serve: Serve) -> None:
    """What it said of its port does not count any more."""
    service = serve(admin.state)
    assert admin.state.listening.read_text() == f"{service.endpoint}\n"
    service.stop()
    assert worst(planned(admin), Code.SERVER_UNREACHABLE) == "note"


def test_a_server_that_is_not_reached(admin: Administrator, serve: Serve) -> None:
    """A node that reports and does not answer is named, with the reason; it is no error while another one answers."""
    serve(admin.state)
    admin.does("set", "node", "add", "sub1", "--address", "127.0.0.9")
    with admin.store() as store:
        store.report(NodeReport(node="sub1", generation=2**40, staleness=0.0, counter=5))
    found = planned(admin, "regen", "CallManager", "--held", "current")
    (finding,) = found[Code.SERVER_UNREACHABLE]
    assert finding["severity"] == "warning"
    assert "sub1" in finding["sentence"]
    assert "127.0.0.9:2445" in finding["way_out"]
    assert f"tvs: warning: {Code.SERVER_UNREACHABLE}: " in admin.does(*REGEN, "--no-wait").err


def test_the_only_server_is_not_reached(admin: Administrator, serve: Serve) -> None:
    """A service that hangs: no phone would get the answer that it needs."""
    serve(admin.state)
    admin.state.listening.write_text(f"127.0.0.1:{quiet_port()}\n")
    found = planned(admin, "regen", "CallManager", "--held", "current")
    assert worst(found, Code.SERVER_UNREACHABLE) == "error"
    assert worst(planned(admin), Code.SERVER_UNREACHABLE) == "warning"
    assert admin(*REGEN).status == 1


def test_a_server_that_answers_otherwise(admin: Administrator, serve: Serve, tmp_path: Path) -> None:
    """A service that answers from another directory, whose database lacks a signer: an error for phones that ask."""
    shutil.copytree(admin.state.path, tmp_path / "before")
    admin.does(*REGEN)
    held = ("--held", tmp_path / "before/tftp/CTLFile.tlv", "--held", tmp_path / "before/tftp/ITLFile.tlv")
    service = serve(StateDirectory(tmp_path / "before"))
    here = serve(admin.state)
    assert about_servers(admin, *held) == set()
    assert is_used(admin.state.path)
    admin.state.listening.write_text(f"{service.endpoint}\n")
    found = planned(admin, *held)
    assert ABOUT_SERVERS.intersection(found) == {Code.SERVER_ANSWERS_OTHERWISE}
    assert worst(found, Code.SERVER_ANSWERS_OTHERWISE) == "error"
    admin.state.listening.write_text(f"{here.endpoint}\n")


async def test_servers_are_asked_once(admin: Administrator, serve: Serve) -> None:
    """A command that plans before its question and after it asks the servers once."""
    service = serve(admin.state)

    async def asked() -> int:
        """Questions of plans so far: one worker writes its lines in their order."""
        mark = f"SEP{len(service.lines()):012}"
        async with service.client() as phone:
            await phone.verify(device=mark, certificate=admin.situation().require(Purpose.CAPF))
        service.wait_for_line(mark)
        return sum("TVS-CHECK" in line for line in service.lines())

    admin.does("ctl", "plan")
    once = await asked()
    assert once
    admin.does("set", "cert", "regen", "CAPF", answer="yes\n")
    assert await asked() == 2 * once
