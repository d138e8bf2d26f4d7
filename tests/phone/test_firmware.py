"""Console lines of the two firmwares."""

from __future__ import annotations

import re

import pytest

from proto.messages import MessageType
from tvs.config.endpoint import Endpoint
from tvs.phone.console import SILENT
from tvs.phone.firmware import console_for
from tvs.phone.models import find_model

SERVER, SERVER6 = Endpoint("192.0.2.10", 2445), Endpoint("2001:db8::1", 2445)


def test_a_silent_console_counts_nothing() -> None:
    """Phones by the thousand share it."""
    SILENT.connecting(SERVER)
    SILENT.list_updated()
    assert SILENT.number == 0


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("CP-7975", r"41: NOT \d\d:\d\d:\d\d\.\d{6} SECD: clpSetupSsl: Trying to connect to IPV4, "),
        (
            "CP-8861",
            r"41 NOT [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} SECUREAPP-Attempting connect to TVS server addr ",
        ),
    ],
)
def test_lines_have_the_form_of_the_firmware(model: str, form: str) -> None:
    """Number, level, time and name; the number continues from the last line of the phone."""
    lines: list[str] = []
    console_for(find_model(model), lines.append, number=40).connecting(SERVER)
    assert re.match(form, lines[0]), lines


def test_an_ipv6_server_is_named_so() -> None:
    """Both firmwares name the address family."""
    lines: list[str] = []
    for model in ("CP-7975", "CP-8861"):
        console_for(find_model(model), lines.append).connecting(SERVER6)
    assert "connect to IPV6, IP: 2001:db8::1, Port : 2445" in lines[0]
    assert lines[1].endswith("addr [2001:db8::1], mode [IPv6]")


def test_a_7900_shows_verifications_and_an_8800_both_requests() -> None:
    """A query for a signer leaves no line on a 7900."""
    shown: dict[str, list[str]] = {}
    for model in ("CP-7975", "CP-8861"):
        console = console_for(find_model(model), shown.setdefault(model, []).append)
        console.cache_missed(MessageType.QUERY_CERT_REQ)
        console.request_started(MessageType.QUERY_CERT_REQ)
        console.request_sent(MessageType.QUERY_CERT_REQ, 205)
        console.answer_received(MessageType.QUERY_CERT_REQ, 1048, 0)
    assert shown["CP-7975"] == []
    assert [line.partition("SECUREAPP-")[2] for line in shown["CP-8861"]] == [
        "TVS process request - processing TVS Query Certificate request.",
        "TVS process request - Successfully sent the TVS request to TVS server, bytes written : 205",
        "TVS Service receives 1048 bytes of data",
    ]


def test_control_characters_of_a_server_are_escaped() -> None:
    """An alert's text from the network cannot change the terminal."""
    lines: list[str] = []
    console_for(find_model("CP-7975"), lines.append).alert_received(SERVER, "bad\x1b[2J")
    assert lines[0].isprintable()
