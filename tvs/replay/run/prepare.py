"""Preparation of a run: queries from their source, the schedule, and a trial connection."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tvs.client.connection import TVSClient
from tvs.replay.questions.devices import imagined_fleet
from tvs.replay.questions.expect import KnownCertificates, read_trust_list
from tvs.replay.questions.model import SourceError
from tvs.replay.questions.sources import completed, read_source
from tvs.replay.run.schedule import constant_rate, in_loop, recorded_times, storm
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tvs.replay.questions.model import Recording
    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.setup import Setup

DEFAULT_PHONES = 1000
"""Size of an imagined fleet if no number is given."""
DEFAULT_MIX = {"8800": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Source of the queries.

    Attributes:
        file: a recording, log, capture or table; None for an imagined fleet.
        keylog, capture_port: TLS key log and TCP port of a capture.
        phones, mix, ask: of an imagined fleet: its size, shares by series, and the files that each phone asks about.
        expect: files with the certificates that the server must vouch for.
    """

    file: Path | None = None
    keylog: Path | None = None
    capture_port: int = 2445
    phones: int = DEFAULT_PHONES
    mix: dict[str, int] | None = None
    ask: Sequence[Path] = ()
    expect: Sequence[Path] = ()


def load(settings: SourceSettings) -> Recording:
    """The queries with their expected answers. Raises `SourceError`."""
    known = KnownCertificates()
    for path in settings.expect:
        known.add_file(path)
    if settings.file is not None:
        recording = read_source(settings.file, keylog=settings.keylog, capture_port=settings.capture_port)
    else:
        for path in settings.ask:
            if read_trust_list(path) is not None:  # a list vouches for its own signer
                known.add_file(path)
        recording = imagined_fleet(settings.phones, settings.mix or DEFAULT_MIX, settings.ask)
    ready = completed(recording, known)
    if not ready.asks:
        reasons = "; ".join(f"{number}: {reason}" for reason, number in ready.left_out.items())
        raise SourceError(f"{ready.source}: nothing in it can be replayed: {reasons}")
    return ready


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSettings:
    """Times of the calls: one of `speed`, `rate`, `storm` and `loop`, or none for the recorded times.

    Attributes:
        speed: factor on the recorded times; infinite makes one call after the other, `at_once` at a time.
        rate, ramp: calls a second, and seconds until the rate is reached.
        duration: seconds, for `rate` and `loop`.
        storm: number of phones that come back.
        within, pause, seed: of a storm: seconds within which the phones come back, seconds between a phone's calls,
            seed of the random times.
        loop: number of phones that call again and again.
        at_once: phones at once at infinite speed.
    """

    speed: float | None = None
    rate: float | None = None
    ramp: float = 0.0
    duration: float | None = None
    storm: int | None = None
    within: float = 300.0
    pause: float = 1.0
    seed: int = 1
    loop: int | None = None
    at_once: int = 100


def make_schedule(recording: Recording, mode: ModeSettings) -> Schedule:
    """Makes the schedule. Raises `ValueError` with a sentence if the settings do not fit together."""
    if mode.rate is not None:
        if mode.duration is None:
            raise ValueError("--rate needs --duration")
        return constant_rate(recording, rate=mode.rate, duration=mode.duration, ramp=mode.ramp)
    if mode.storm is not None:
        return storm(recording, phones=mode.storm, within=mode.within, pause=mode.pause, seed=mode.seed)
    if mode.loop is not None:
        if mode.duration is None:
            raise ValueError("--loop needs --duration")
        return in_loop(recording, at_once=mode.loop, duration=mode.duration)
    if mode.speed is not None and math.isinf(mode.speed):
        return in_loop(recording, at_once=mode.at_once, duration=None)
    if not recording.timed:
        raise ValueError(f"{recording.source}: has no times; choose the times: --rate, --storm, --loop or --speed max")
    return recorded_times(recording, mode.speed or 1.0)


def try_connection(setup: Setup) -> None:
    """Connects once, before thousands of phones do. Raises `NoAnswer`."""
    asyncio.run(_connect(setup))


async def _connect(setup: Setup) -> None:
    certificate, key = setup.identity() or (None, None)
    context = client_context(certificate=certificate, key=key)
    async with TVSClient(setup.server, setup.server_trust(), context=context, timeout=setup.timeout):
        pass
