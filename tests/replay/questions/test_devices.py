"""Tables of devices and imagined fleets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from tests.fixtures.replaying import PATIENT, requests_in, trusting
from tvs.phone.models import Series, find_model
from tvs.replay.questions.devices import imagined_fleet, parse_mix, read_devices
from tvs.replay.questions.model import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.replaying import Replayed
    from tests.fixtures.running import Running

    Serve = Callable[..., Running]
    Replay = Callable[..., Replayed]


def test_a_table_of_devices(cluster: Cluster, serve: Serve, replay: Replay, tmp_path: Path) -> None:
    """Each line asks about a certificate's file or about names; `request` turns a verification into a query."""
    running = serve(cluster, *PATIENT)
    own = cluster.own(Purpose.CallManager)
    (tmp_path / "own.der").write_bytes(own.der)
    table = tmp_path / "devices.csv"
    table.write_text(
        "device,time,certificate,request,subject,issuer,serial,status\n"
        "CP-8861-SEP000000000001,0,own.der,,,,,trusted\n"
        "CP-8861-SEP000000000002,0.5,own.der,query,,,,trusted\n"
        f"CP-7841-SEP000000000003,0.2,,,{own.subject_name},{own.issuer_name},{own.serial_number.hex(':')},trusted\n"
    )
    done = replay("--server", running.endpoint, *trusting(cluster), "--from", table, "--expect", cluster.state.ctl_file)
    assert (done.status, done.result["answered"]) == (0, 3), done.out
    assert [line[0] for line in requests_in(running.log, at_least=3)] == [
        "CERT_VERIFICATION_REQ",
        "QUERY_CERT_REQ",
        "QUERY_CERT_REQ",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("device,colour\nx,red\n", "line 1: the column 'colour' is not one of device, address"),
        ("address\n192.0.2.1\n", "line 1: there is no column 'device'"),
        ("device,issuer,serial\nx,CN=a,01\ny,,\n", "line 3: there is neither a certificate nor issuer and serial"),
        ("device,issuer,serial\nx,CN=a,zz\n", "line 2: non-hexadecimal number"),
        ("device,certificate\nx,none.pem\n", r"line 2: .*none\.pem: cannot be read"),
        ("device,request,issuer,serial\nx,verify,CN=a,01\n", "line 2: a verification needs a certificate"),
        ("device,request,issuer,serial\nx,guess,CN=a,01\n", "line 2: request 'guess' is not one of query, verify"),
        ("device,issuer,serial\n", "holds no line after its heading"),
    ],
)
def test_a_table_with_a_mistake(tmp_path: Path, text: str, sentence: str) -> None:
    """The sentence names the file, the line and the mistake."""
    table = tmp_path / "devices.csv"
    table.write_text(text)
    with pytest.raises(SourceError, match=sentence):
        read_devices(table)


def test_an_imagined_fleet_has_the_mix(cluster: Cluster) -> None:
    """The series have their shares, evenly mixed, and each phone has a name of its own."""
    fleet = imagined_fleet(1000, parse_mix("7900:20,7800:5,8800:75"), [cluster.state.ctl_file, cluster.state.itl_file])
    names = [phone.device.split("-SEP")[0] for phone in fleet.phones]
    assert {name: names.count(name) for name in set(names)} == {"CP-7975": 200, "CP-7841": 50, "CP-8861": 750}
    assert 18 <= names[:100].count("CP-7975") <= 22
    assert len({phone.device for phone in fleet.phones}) == 1000
    assert len(fleet.asks) == 2000


def test_each_series_can_be_imagined(cluster: Cluster) -> None:
    """A fleet can have phones of all series that use trust lists."""
    mix = ",".join(f"{series}:1" for series in Series)
    fleet = imagined_fleet(len(Series), parse_mix(mix), [cluster.state.ctl_file])
    assert {find_model(phone.device.partition("-SEP")[0]).series for phone in fleet.phones} == set(Series)


@pytest.mark.parametrize("text", ["7900", "7900:x", "9900:10", "7900:0", ""])
def test_a_wrong_mix(text: str) -> None:
    """A wrong mix is refused with a sentence."""
    with pytest.raises(ValueError, match=r"is not SERIES:SHARE|are all 0"):
        parse_mix(text)
