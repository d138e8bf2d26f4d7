"""The record of phones in commands that plan: it is read once, and again after a question."""

from __future__ import annotations

import contextlib
import io
import json
import time
from typing import TYPE_CHECKING

import pytest

from certstore.certificate import Certificate
from certstore.devices import Device
from certstore.purposes import Purpose
from certstore.relational.devices import RelationalDevices
from tvs.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from certstore.devices import BriefDevice
    from tests.fixtures.administrator import Administrator
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]

TODAY = int(time.time())
"""When the phones were listed: a service forgets those of long ago."""


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item for each time that the whole record is read, from now on."""
    found: list[int] = []
    real = RelationalDevices.brief

    def brief(table: RelationalDevices) -> Iterator[BriefDevice]:
        found.append(len(found))
        return real(table)

    monkeypatch.setattr(RelationalDevices, "brief", brief)
    return found


def put(admin: Administrator, *devices: Device) -> None:
    """Records phones, as a service does."""
    with admin.store() as store, store.devices().writing() as table:
        table.put(devices)


def behind(signer: bytes) -> Device:
    """A phone that asked for this signer of former lists, was told to trust it, and asked nothing since."""
    found = Certificate.from_der(signer)
    return Device(
        "SEP000000000001",
        model="CP-8861",
        last=1_700_000_000,
        requests=1,
        signer_issuer=found.issuer_name,
        signer_serial=found.serial_number.hex().upper(),
        signer_seen=1_700_000_000,
    )


def test_a_plan_reads_once(admin: Administrator, readings: list[int]) -> None:
    """A plan, and a change that is refused with its ways out, read the record once each."""
    put(admin, Device("SEP000000000001", model="CP-7960", listed=TODAY))
    admin("ctl", "plan", "regen", "CallManager", "--offline")
    assert readings == [0]
    refused = admin("set", "cert", "regen", "CallManager", "-y", "--offline")
    assert refused.status == 1
    assert "add --held none" in refused.err  # that was planned, too
    assert readings == [0, 1]


def test_kinds_for_the_servers(admin: Administrator, serve: Serve, readings: list[int]) -> None:
    """The plan takes what had to be read so that the servers are asked as the phones would ask them."""
    serve(admin.state)
    put(admin, Device("SEP000000000001", model="CP-7975", listed=TODAY))
    plan = json.loads(admin("ctl", "plan", "--json").out)
    assert plan["phones"] == ["tls1.0"]
    assert [server["takes_tls10"] for server in plan["servers"]] == [False]  # None if nobody has tried it
    assert readings == [0]


def test_a_rollover_reads_once(today: Administrator, readings: list[int]) -> None:
    """The status of a rollover plans its next stage, and plans it again with an assumption."""
    today.does("rollover", "TVS")
    put(today, Device("SEP000000000001", model="CP-8861", listed=TODAY))
    readings.clear()
    assert "add --held current" in today.does("rollover", "TVS", "--status").out
    assert readings == [0]


def test_after_a_question_the_record_is_read_again(
    admin: Administrator, readings: list[int], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phone that is seen to be behind while the administrator thinks stops the change that would lose it."""
    admin.does("set", "cert", "regen", "CallManager", "-y")
    former = admin.situation().require(Purpose.CallManager)
    admin.does("set", "cert", "regen", "CallManager", "-y", "--held", "current")
    serve(admin.state)
    put(admin, Device("SEP000000000002", model="CP-8861", listed=TODAY))
    readings.clear()

    class Slow:
        """A person who answers when the phone has been seen."""

        def isatty(self) -> bool:
            return False

        def readline(self) -> str:
            put(admin, behind(former))
            return "yes\n"

    monkeypatch.setattr("sys.stdin", Slow())
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(["set", "cert", "regen", "TVS", "--held", "current", "--state", str(admin.state.path)])
    assert status == 1
    assert "CP-8861-SEP000000000001" in said.getvalue()
    assert readings == [0, 1]
