"""Phones that move to new lists, and some that do not: what is known of them stops the change that would lose them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from certstore.purposes import Purpose
from tests.fixtures.clusterphones import SCOUT, Record
from tests.fixtures.processes import until
from tvs.phone import DirectorySource, Phone, find_model
from tvs.phone.boot import boot

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running

    Command = Callable[..., subprocess.CompletedProcess[str]]
    Shown = Callable[..., dict[str, Any]]

MACS = [f"00000000000{number}" for number in range(1, 4)]
NAMES = [f"CP-8861-SEP{mac}" for mac in MACS]
FIRST, SECOND, LATE = NAMES


@pytest.fixture
def rollout(run: Command, cluster: Cluster) -> Shown:
    """A function that runs `tvs ctl rollout --json` with more words: the phones by what they hold, and the rest."""

    def show(*words: str) -> dict[str, Any]:
        done = run("ctl", "rollout", "--json", *words, "--state", cluster.state.path)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if found["safe"] else 1)
        found["phones"] = {held: phones["names"] for held, phones in found["phones"].items() if phones["names"]}
        return found

    return show


@pytest.fixture
def phones(cluster: Cluster) -> list[Phone]:
    """Three phones in factory state, whose TVS server is still to be named."""
    return [Phone(mac, find_model("8861")) for mac in MACS]


async def boots(cluster: Cluster, phones: list[Phone], service: Running) -> None:
    """The phones boot, and take the lists that they find."""
    for phone in phones:
        phone.flash.servers = (service.endpoint,)
        report = await boot(phone, DirectorySource(cluster.state.tftp))
        assert not report.refused, report


async def known(cluster: Cluster, run: Command, service: Running) -> None:
    """Waits until the record knows the cluster's generation: of a phone that asks in the second before, it does not."""
    record = Record(service)
    record.wait()
    await record.settle()
    assert run("fleet", "forget", SCOUT, "--state", cluster.state.path).returncode == 0


async def new_signer(
    cluster: Cluster, run: Command, phones: list[Phone], service: Running, rollout: Shown, names: list[str]
) -> None:
    """Another CallManager certificate, which signs both lists: these phones ask for it, and take them."""
    cluster.regenerate(Purpose.CallManager)
    cluster.update_ctl()
    await known(cluster, run, service)
    await boots(cluster, phones, service)
    await until(lambda: sorted(rollout()["phones"].get("present", ())) == names, "what they asked is recorded")


async def test_who_has_moved(
    cluster: Cluster,
    phones: list[Phone],
    serve: Callable[..., Running],
    run: Command,
    rollout: Shown,
    tmp_path: Path,
) -> None:
    """A phone that is known to be without the present lists stops the next change, until it has moved."""
    service = serve(cluster)
    await boots(cluster, phones, service)
    found = rollout()
    assert (found["recorded"], found["safe"]) == (0, True), "the first lists are taken on trust: nobody asks"
    await new_signer(cluster, run, phones, service, rollout, NAMES)
    await new_signer(cluster, run, phones[:2], service, rollout, [FIRST, SECOND])
    assert rollout()["phones"] == {"present": [FIRST, SECOND], "earlier": [LATE]}
    assert "1 phone would have to ask for the signer of these lists, and did not yet" in rollout()["reasons"]
    state = ("--state", cluster.state.path)
    refused = run("set", "cert", "regen", "TVS", "--yes", "--held", "current", *state)
    assert refused.returncode == 1
    assert f"phones-behind: 1 recorded phone ({LATE}) would be lost" in refused.stderr
    assert "--held none" not in refused.stderr, "phones hold lists"
    table = run("show", "phones", "--lists", "earlier", *state).stdout
    assert table.splitlines()[-1] == "1 phone: 1 without them"
    waited = rollout("--wait", "--for", "1s")
    assert not waited["safe"]

    await boots(cluster, phones[2:], service)
    await until(lambda: rollout()["phones"] == {"present": NAMES}, "the last one has moved")
    assert not rollout()["safe"], "there may be phones that nobody has seen"
    inventory = tmp_path / "phones.txt"
    inventory.write_text("\n".join(f"SEP{mac}" for mac in MACS))
    assert run("import", "phones", inventory, *state).returncode == 0
    assert rollout("--wait")["safe"]
    done = run("set", "cert", "regen", "TVS", "--yes", *state)
    assert done.returncode == 0, done.stderr


async def test_an_old_phone_of_the_inventory(
    cluster: Cluster, serve: Callable[..., Running], run: Command, tmp_path: Path
) -> None:
    """A phone that asks no TVS server is known from the inventory only: it is named, and stops the change."""
    serve(cluster)
    state = ("--state", cluster.state.path)
    cluster.delete_ctl()
    cluster.update_ctl()
    inventory = tmp_path / "phones.csv"
    names = "SEP00000000000A,Cisco 7960\nSEP00000000000B,Cisco 8861\n"
    inventory.write_text(f"Device Name,Device Type\n{names}HALL,Cisco 7960\n")
    assert run("import", "phones", inventory, *state).returncode == 0
    plan = json.loads(run("ctl", "plan", "regen", "CallManager", "--held", "current", "--json", *state).stdout)
    *_, hall = plan["fleet"]["lost"]["names"]
    assert run("fleet", "forget", hall, *state).returncode == 0, "under the name that the plan has for it"
    inventory.write_text(f"Device Name,Device Type\n{names}")
    assert run("import", "phones", inventory, *state).returncode == 0
    assert "Phones     with-tvs, without-tvs" in run("show", "cluster", *state).stdout
    plan = json.loads(run("ctl", "plan", "regen", "CallManager", "--held", "current", "--json", *state).stdout)
    assert (plan["safe"], plan["phones"]) == (False, ["with-tvs", "without-tvs"])
    assert plan["fleet"]["lost"] == {"phones": 1, "names": ["CP-7960-SEP00000000000A"]}
    assert plan["fleet"]["takes"]["phones"] == 1
    refused = run("set", "cert", "regen", "CallManager", "--yes", "--held", "current", *state)
    assert refused.returncode == 1
    assert "would be lost: 1 of 2 recorded phones (CP-7960-SEP00000000000A)" in refused.stderr
    assert run("fleet", "forget", "SEP00000000000A", *state).returncode == 0
    assert run("ctl", "plan", "regen", "CallManager", "--held", "current", *state).returncode == 0
    assert run("set", "phones", "without-tvs", *state).returncode == 0
    assert run("ctl", "plan", "regen", "CallManager", "--held", "current", *state).returncode == 1, (
        "what is said counts"
    )


def test_a_record_that_cannot_be_read(cluster: Cluster, run: Command) -> None:
    """It stops no change, and the plan says so."""
    state = ("--state", cluster.state.path)
    record = cluster.state.path / "tvs-fleet.db"
    record.write_bytes(b"no database" * 500)
    plan = json.loads(run("ctl", "plan", "--json", *state).stdout)
    assert [finding["severity"] for finding in plan["findings"] if finding["code"] == "record-unreadable"] == [
        "warning"
    ]
    assert "tvs-fleet.db.damaged" in plan["fleet"]["problem"]
    record.write_bytes(b"no database" * 500)
    done = run("set", "cert", "regen", "CAPF", "--yes", *state)
    assert done.returncode == 0, done.stderr
    assert "warning: record-unreadable: the plan knows no recorded phones" in done.stderr


def test_a_record_that_is_off(cluster: Cluster, run: Command) -> None:
    """Nobody is said to be behind by a record that is not kept."""
    (cluster.state.path / "tvs.toml").write_text("fleet = false\n")
    done = run("ctl", "rollout", "--state", cluster.state.path)
    assert done.returncode == 1
    assert "the record of phones is switched off: fleet = false in" in done.stderr
    assert run("ctl", "rollout", "--for", "1s", "--state", cluster.state.path).returncode == 2
