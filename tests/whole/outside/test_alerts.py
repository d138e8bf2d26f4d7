"""Alerts of every description, as warning, as fatal and at levels that do not exist, at each stage of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.whole.outside.altering import (
    ALERT,
    ANSWERED,
    HANDSHAKE,
    NAMES,
    TLS1,
    TLS1_2,
    TLS1_3,
    Stranger,
    choose,
    meet,
)

if TYPE_CHECKING:
    from tests.fixtures.running import Running
    from tests.whole.outside.altering import Records

WARNING, FATAL = 1, 2
CLOSE_NOTIFY, UNEXPECTED_MESSAGE, USER_CANCELED, NO_RENEGOTIATION = 0, 10, 90, 100
DESCRIPTIONS = (
    *(CLOSE_NOTIFY, UNEXPECTED_MESSAGE, 20, 21, 22, 30, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 60, 70, 71, 80),
    *(86, USER_CANCELED, NO_RENEGOTIATION, 109, 110, 111, 112, 113, 114, 115, 116, 120),
    *(1, 99, 255),
)
"""All descriptions that a standard gives (IANA, TLS Alerts), and three that none does."""
FEW = (CLOSE_NOTIFY, UNEXPECTED_MESSAGE, USER_CANCELED, NO_RENEGOTIATION, 255)
LEVELS = {WARNING: DESCRIPTIONS, FATAL: DESCRIPTIONS, 0: FEW, 3: FEW}
"""Levels with the descriptions that are tried; 0 and 3 do not exist."""
LEVELS_1_3 = {WARNING: FEW, FATAL: DESCRIPTIONS, 255: FEW}
"""The same for TLS 1.3, where the level says nothing."""
ODD_SIZES = (b"", b"\2", b"\1\x5a\1")
"""Contents of records of alerts that have not two bytes."""
FIRST, MIDDLE, LAST, DATA_STAGE = (
    "before the first message",
    "before the keys",
    "before Finished",
    "after the handshake",
)


def expected(version: tuple[int, int], stage: str, level: int, description: int) -> str:
    """The end of a connection after one alert (RFC 5246, 7.2; RFC 8446, 6)."""
    if stage == FIRST or (stage == LAST and version < TLS1_3):
        return "fatal unexpected_message"  # no alert may come there
    if version >= TLS1_3:  # the level says nothing any more
        return ANSWERED if description == USER_CANCELED else "closed"
    if level == FATAL:
        return "closed"
    if description == NO_RENEGOTIATION:  # nobody asked for one
        return "fatal handshake_failure"
    if level != WARNING:
        return "fatal illegal_parameter"
    return "closed" if description == CLOSE_NOTIFY else ANSWERED


def end_after(service: Running, version: tuple[int, int], stage: str, alert: bytes) -> str:
    """The end of a connection in which a client sends one alert at a stage."""
    settings = choose(version, rsa=version < TLS1_3)
    if stage == DATA_STAGE:
        return meet(service, settings, then=lambda stranger: _alert_and_ask(stranger, alert)).end
    middle = "Certificate" if version >= TLS1_3 else "ClientKeyExchange"
    message = {FIRST: "ClientHello", MIDDLE: middle, LAST: "Finished"}[stage]

    def alter(name: str, data: bytes) -> Records | None:
        return [(ALERT, alert), (HANDSHAKE, data)] if name == message else None

    return meet(service, settings, alter).end


def _alert_and_ask(stranger: Stranger, alert: bytes) -> None:
    stranger.send_records((ALERT, alert))
    stranger.ask()


@pytest.mark.parametrize("stage", [FIRST, MIDDLE, LAST, DATA_STAGE])
@pytest.mark.parametrize("version", [TLS1_2, TLS1_3], ids=NAMES.get)
def test_alert(service: Running, version: tuple[int, int], stage: str) -> None:
    """An alert ends the connection or is passed over, as its version's rules have it."""
    for level, descriptions in (LEVELS_1_3 if version >= TLS1_3 else LEVELS).items():
        for description in descriptions:
            end = end_after(service, version, stage, bytes((level, description)))
            assert end == expected(version, stage, level, description), (level, description)


def test_alert_under_tls_1_0(service: Running) -> None:
    """TLS 1.0 has the rules of TLS 1.2."""
    for stage in (MIDDLE, DATA_STAGE):
        for level in LEVELS:
            for description in FEW:
                end = end_after(service, TLS1, stage, bytes((level, description)))
                assert end == expected(TLS1, stage, level, description), (stage, level, description)


def test_alerts_out_of_measure(service: Running) -> None:
    """More than five warnings in a row, and alerts with other than two bytes, end the connection."""
    for version in (TLS1, TLS1_2, TLS1_3):
        for records in ([(ALERT, bytes((WARNING, USER_CANCELED)))] * 50, *([(ALERT, part)] for part in ODD_SIZES)):

            def send(stranger: Stranger, records: Records = records) -> None:
                stranger.send_records(*records)
                stranger.ask()

            assert meet(service, choose(version), then=send).end == "fatal unexpected_message", (version, records)
