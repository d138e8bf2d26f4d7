"""From what was asked for to a schedule, and a first look at the server."""

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
from tvs.replay.run import schedule as plans
from tvs.tls.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tvs.replay.questions.model import Recording
    from tvs.replay.run.schedule import Schedule
    from tvs.replay.run.setup import Setup
    from tvs.state import StateDirectory

DEFAULT_PHONES = 1000
"""Imagined phones where no number is given."""
DEFAULT_MIX = {"8800": 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Where the queries come from.

    Attributes:
        file: a recording, log, capture or table; None: an imagined fleet.
        keylog, capture_port: for a capture.
        phones, mix, ask: of the fleet: how many, shares by series, and the files that each phone asks about.
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
    """The queries, with what is expected of their answers. Raises `SourceError`."""
    known = KnownCertificates()
    for path in settings.expect:
        known.add_file(path)
    if settings.file is not None:
        recording = read_source(settings.file, keylog=settings.keylog, capture_port=settings.capture_port)
    else:
        for path in settings.ask:
            if read_trust_list(path) is not None:  # the list itself says who its signer is
                known.add_file(path)
        recording = imagined_fleet(settings.phones, settings.mix or DEFAULT_MIX, settings.ask)
    ready = completed(recording, known)
    if not ready.asks:
        reasons = "; ".join(f"{number}: {reason}" for reason, number in ready.left_out.items())
        raise SourceError(f"{ready.source}: nothing in it can be replayed: {reasons}")
    return ready


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeSettings:
    """When the phones call. One of `speed`, `rate`, `storm` and `loop` is given, or none for the recorded times.

    Attributes:
        speed: how many times as fast as recorded; infinite: one call after the other, `at_once` at a time.
        rate, ramp: calls a second; seconds until it is reached.
        duration: seconds, for `rate` and `loop`.
        storm, within, pause, seed: phones; seconds within which they come; seconds between a phone's calls; chance.
        loop: phones that call again and again.
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


def schedule(recording: Recording, mode: ModeSettings) -> Schedule:
    """The schedule. Raises `ValueError` with a sentence where the settings do not fit."""
    if mode.rate is not None:
        if mode.duration is None:
            raise ValueError("--rate needs --duration")
        return plans.constant_rate(recording, rate=mode.rate, duration=mode.duration, ramp=mode.ramp)
    if mode.storm is not None:
        return plans.storm(recording, phones=mode.storm, within=mode.within, pause=mode.pause, seed=mode.seed)
    if mode.loop is not None:
        if mode.duration is None:
            raise ValueError("--loop needs --duration")
        return plans.in_loop(recording, at_once=mode.loop, duration=mode.duration)
    if mode.speed is not None and math.isinf(mode.speed):
        return plans.in_loop(recording, at_once=mode.at_once, duration=None)
    if not recording.timed:
        raise ValueError(f"{recording.source}: has no times; say when to call: --rate, --storm, --loop or --speed max")
    return plans.recorded_times(recording, mode.speed or 1.0)


def first_look(setup: Setup) -> None:
    """Connects once, before thousands do. Raises `NoAnswer` with the sentence that then stands for all of them."""
    asyncio.run(_connect(setup))


async def _connect(setup: Setup) -> None:
    certificate, key = setup.identity() or (None, None)
    context = client_context(certificate=certificate, key=key)
    async with TVSClient(setup.server, setup.server_trust(), context=context, timeout=setup.timeout):
        pass


def known_to(state: StateDirectory) -> KnownCertificates:
    """What the service of a state directory answers. Raises `StateError`, `StoreError` and `SourceError`."""
    known = KnownCertificates()
    store = state.store()
    try:
        for trusted in store.trusted():
            known.add_trusted(trusted)
    finally:
        store.close()
    if state.ctl_file.exists():
        known.add_file(state.ctl_file)
    return known
