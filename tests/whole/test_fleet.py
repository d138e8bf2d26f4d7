"""The record of phones: a running service writes what it sees, commands show it, and it stands in no phone's way."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
from typing import TYPE_CHECKING, Any

import pytest

from proto.messages import TrustStatus
from tests.fixtures.processes import helper_process, until
from tests.whole.test_status import CLIENT_HELLO_1_0, send
from tvs.client.question import signer_question

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.processes import Probe, Scrape, Serve
    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

    Tvs = Callable[..., subprocess.CompletedProcess[str]]
    Shown = Callable[..., dict[str, Any]]

QUIET = ("--workers", "2", "--log-level", "info")
FIRST, SECOND = "SEPB000B4BA0AEE", "SEP000000000002"


@pytest.fixture
def shown(tvs: Tvs, state: StateDirectory) -> Shown:
    """A function that runs `tvs show phones --json` with more words."""

    def show(*words: str) -> dict[str, Any]:
        done = tvs("show", "phones", "--json", *words, "--state", state.path)
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return show


async def ask(service: Running, device: str, *, known: bool = True) -> None:
    """A phone asks for the signer of the present lists, or for one that nobody knows."""
    question = signer_question(service.state.itl_file)
    async with service.client() as phone:
        answer = await phone.query(
            device=device,
            subject=question.subject or "",
            issuer=question.issuer if known else "CN=nobody",
            serial=question.serial,
        )
    assert (answer.status is TrustStatus.TRUSTED) == known


async def test_what_is_seen(serve: Serve, tvs: Tvs, shown: Shown, state: StateDirectory, tmp_path: Path) -> None:
    """Phones that hold the present lists, that refused a signer, that were turned away, that never came."""
    service = serve(*QUIET)
    await ask(service, "TVS-CHECK")
    await ask(service, "CP-8861-SEP000000000000")
    await ask(service, f"CP-8861-{FIRST}")
    await ask(service, SECOND)
    await until(lambda: shown(SECOND)["phones"], "the first question: another worker may be asked the second one")
    await ask(service, SECOND, known=False)
    send(service, CLIENT_HELLO_1_0)
    inventory = tmp_path / "phones.csv"
    inventory.write_text(f'Device Name,Description,Device Type\n{SECOND},"=cmd()",Cisco 7841\nSEP000000000003,,7975\n')
    imported = tvs("import", "phones", inventory, "--state", state.path)
    assert (imported.returncode, imported.stdout.split(",")[0]) == (0, "2 phones")
    await until(lambda: len(shown()["phones"]) == 3 and shown()["turned_away"], "everybody is recorded")
    await until(lambda: shown(SECOND)["phones"][0]["requests"] == 2, "both questions")
    found = shown()
    third, second, first = found["phones"][1], found["phones"][0], found["phones"][2]
    assert [phone["name"] for phone in (first, second, third)] == [FIRST, SECOND, "SEP000000000003"]
    assert (first["lists"], first["series"], first["node"]) == ("present", "8800", "cucm-1051-a-pub")
    assert (first["addresses"], first["tls"], first["certificate"]) == (["127.0.0.1"], "TLSv1.3", "none")
    assert {first["cipher"], "AES256-SHA"} < set(first["suites"]), "it used one of those that it offered"
    assert (second["lists"], second["series"], second["result"], second["refused"]) == (
        "present",
        "7800",
        "not_found",
        1,
    )
    assert (third["lists"], third["series"], third["last"]) == ("never seen", "7900", None)
    (failure,) = found["turned_away"]
    assert (failure["address"], failure["reason"], failure["version"]) == ("127.0.0.1", "unsupported_version", "TLSv1")
    assert failure["suites"] == ["AES128-SHA"]
    at_risk = shown("--at-risk")
    assert [phone["name"] for phone in at_risk["phones"]] == [SECOND, "SEP000000000003"]
    assert [phone["name"] for phone in shown("--lists", "never-seen")["phones"]] == ["SEP000000000003"]
    assert [phone["name"] for phone in shown("--series", "8800")["phones"]] == [FIRST]
    assert [phone["name"] for phone in shown("--unseen-for", "1")["phones"]] == ["SEP000000000003"]
    table = tvs("show", "phones", "--sort", "last", "--state", state.path).stdout.splitlines()
    assert table[0].split()[:2] == ["Phone", "Model"]
    assert table[4].split() == ["SEP000000000003", "CP-7975", "never", "never", "seen"]
    assert table[6] == "3 phones: 2 with the present lists, 1 never seen, 1 address turned away"
    rows = list(csv.DictReader(io.StringIO(tvs("show", "phones", "--csv", "--state", state.path).stdout)))
    assert [row["name"] for row in rows] == [SECOND, "SEP000000000003", FIRST]
    assert rows[0]["description"] == "'=cmd()"  # no spreadsheet runs what a stranger wrote
    assert rows[2]["suites"].split() == first["suites"]
    mode = stat.S_IMODE((state.path / "tvs-fleet.db").stat().st_mode)
    assert mode == 0o600


async def test_metrics_and_status(serve: Serve, probe: Probe, scrape: Scrape) -> None:
    """Numbers by series and standing; no name of a phone is in the metrics."""
    service = serve(*QUIET)
    await ask(service, f"CP-8861-{FIRST}")
    name = 'tvs_fleet_phones{series="8800",standing="trusting"}'
    await until(lambda: scrape(service).get(name) == 1, "the phone is counted")
    metrics = scrape(service)
    assert metrics['tvs_fleet_phones{series="7900",standing="denied"}'] == 0
    assert metrics["tvs_fleet_recorded"] == 1
    assert metrics["tvs_fleet_dropped_total"] == 0
    assert not [name for name in metrics if "SEP" in name]
    fleet = probe(service, "/status.json")[1]["fleet"]
    assert (fleet["kept"], fleet["devices"], fleet["problem"]) == (True, 1, "")
    assert fleet["groups"] == [{"model": "CP-8861", "standing": "trusting", "devices": 1}]


async def test_the_last_phones_of_a_service_that_stops(serve: Serve, shown: Shown) -> None:
    """They are written before it ends."""
    service = serve(*QUIET)
    for number in range(20):
        await ask(service, f"SEP{number:012X}")
    assert service.stop() == 0
    assert len(shown()["phones"]) == 20


async def test_switched_off_and_on(serve: Serve, shown: Shown, tvs: Tvs, state: StateDirectory, probe: Probe) -> None:
    """A reload with fleet = false ends the record; nothing is written then, and what was recorded stays."""
    settings = state.path / "tvs.toml"
    service = serve(*QUIET)
    await ask(service, FIRST)
    await until(lambda: shown()["phones"], "the phone is recorded")
    settings.write_text("fleet = false\n")
    service.reload()
    await until(lambda: not probe(service, "/status.json")[1]["fleet"]["kept"], "the record is off")
    await ask(service, SECOND)
    await until(lambda: len(probe(service, "/status.json")[1]["queries"]) == 1, "the observer has seen it")
    settings.write_text("fleet = true\n")
    service.reload()
    await until(lambda: probe(service, "/status.json")[1]["fleet"]["kept"], "the record is on")
    await ask(service, "SEP000000000003")
    await until(lambda: len(shown()["phones"]) == 2, "the third phone")
    assert [phone["name"] for phone in shown()["phones"]] == ["SEP000000000003", FIRST]
    assert tvs("fleet", "forget", "--all", "-y", "--state", state.path).stdout.endswith("\n2 forgotten\n")
    assert shown() == {"phones": [], "turned_away": []}


async def test_a_record_that_cannot_be_written(
    serve: Serve, state: StateDirectory, shown: Shown, scrape: Scrape, tvs: Tvs
) -> None:
    """Phones are answered; the log says it once, metrics and the command say it; what waited is written later."""
    (state.path / "tvs-fleet.db").mkdir()
    service = serve(*QUIET)
    await ask(service, FIRST)
    service.wait_for_line("phones_not_recorded")
    await until(lambda: scrape(service)["tvs_fleet_recorded"] == 0, "the metric")
    refused = tvs("show", "phones", "--state", state.path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "tvs-fleet.db: not a regular file" in refused.stderr
    await ask(service, SECOND)
    (state.path / "tvs-fleet.db").rmdir()
    await until(lambda: len(shown()["phones"]) == 2, "both phones")
    await until(lambda: scrape(service)["tvs_fleet_recorded"] == 1, "the metric")
    assert sum("phones_not_recorded" in line for line in service.lines()) == 1


async def test_an_observer_that_is_killed(serve: Serve, shown: Shown) -> None:
    """The next one writes on."""
    service = serve(*QUIET)
    await ask(service, FIRST)
    await until(lambda: shown()["phones"], "the phone is recorded")
    before = helper_process(service, "observer")
    os.kill(before, signal.SIGKILL)
    await until(lambda: helper_process(service, "observer") not in (0, before), "another observer")
    await ask(service, SECOND)
    await until(lambda: len(shown()["phones"]) == 2, "the second phone")


def test_refusals(tvs: Tvs, state: StateDirectory, tmp_path: Path) -> None:
    """Each says what is wrong and what to do; nothing is changed."""
    table = tmp_path / "no.csv"
    table.write_text("Where,What\na,b\n")
    for words, status, sentence in (
        (("import", "phones", tmp_path / "missing"), 1, "missing: cannot be read: No such file or directory"),
        (("import", "phones", table), 1, "no.csv: line 1 names no column of phones: one must be Device Name"),
        (("fleet", "forget"), 2, "say what to forget: names or addresses, --unseen-for DAYS, or --all"),
        (("fleet", "forget", "SEP1", "--all"), 2, "say what to forget"),
        (("fleet", "forget", "SEP000000000001"), 1, "none of these is recorded; see: tvs show phones"),
        (("show", "phones", "--lists", "all"), 2, "invalid choice: 'all'"),
        (("show", "phones", "--csv", "--kinds"), 2, "not allowed with"),
    ):
        done = tvs(*words, "--state", state.path)
        assert (done.returncode, done.stdout) == (status, "")
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
    empty = tvs("show", "phones", "--state", state.path)
    assert empty.stdout.splitlines()[-1] == "0 phones"


def test_an_inventory_that_replaces_another(tvs: Tvs, state: StateDirectory, shown: Shown, tmp_path: Path) -> None:
    """With --whole, phones that are not in it any more are forgotten if they were never seen."""
    table = tmp_path / "phones.csv"
    table.write_text("SEP000000000001\nSEP000000000002\n")
    tvs("import", "phones", table, "--state", state.path).check_returncode()
    table.write_text("SEP000000000002\nSEP000000000003\n")
    done = tvs("import", "phones", table, "--whole", "--json", "--state", state.path)
    assert json.loads(done.stdout) == {"listed": 2, "new": 1, "never_seen": 2, "no_longer_listed": 1}
    assert [phone["name"] for phone in shown()["phones"]] == ["SEP000000000002", "SEP000000000003"]


def test_nothing_of_a_forgotten_phone_stays(tvs: Tvs, state: StateDirectory, tmp_path: Path) -> None:
    """Neither its name nor its description is in a file of the state directory any more."""
    table = tmp_path / "phones.csv"
    table.write_text("Name,Description\nSEP00000000000A,Alice in the lobby\nSEP00000000000B,Bob\n")
    tvs("import", "phones", table, "--state", state.path).check_returncode()
    before = [file.name for file in state.path.rglob("*") if file.is_file() and b"Alice" in file.read_bytes()]
    assert before == ["tvs-fleet.db"]
    tvs("fleet", "forget", "SEP00000000000A", "--state", state.path).check_returncode()
    for file in state.path.rglob("*"):
        if file.is_file():
            assert b"Alice" not in file.read_bytes(), file.name
            assert b"SEP00000000000A" not in file.read_bytes(), file.name
