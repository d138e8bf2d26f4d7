"""A worker: one process of the service that answers phones, from its fork to its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from certstore.store import StoreError
from tvs.errors import StateError
from tvs.log.pipeline import LogPipeline
from tvs.log.target import log_colors, open_log
from tvs.server.deadlines import TICK
from tvs.server.metrics import Metrics, share_metrics
from tvs.server.service import Service
from tvs.system.channel import Channel, ChannelClosed

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tvs.answers.seed import Seed
    from tvs.config.settings import Config
    from tvs.server.credentials import Credentials

COLLECT_AFTER = 20_000
"""Objects that may come to life before the collector looks for cycles: sessions make none, and die by themselves."""
HEARTBEAT = 1.0
"""Seconds between two signs of life at the most; what changes is told at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a worker is given.

    Attributes:
        slot: its number.
        config: all settings.
        credentials: what TLS contexts are made of.
        seed: certificates that were read before the fork.
        listener: the slot's listening socket.
        channel: to the supervisor.
        metrics: directory of the files in which all workers count.
    """

    slot: int
    config: Config
    credentials: Credentials
    seed: Seed | None
    listener: socket.socket
    channel: Channel
    metrics: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """The order to go on with other settings and another certificate."""

    config: Config
    credentials: Credentials


def run_worker(post: Post) -> int:
    """Answers phones until SIGTERM, or until the supervisor is gone. Returns the exit status."""
    share_metrics(post.metrics, post.slot)
    metrics = Metrics(CollectorRegistry())
    config = post.config
    pipeline = LogPipeline(
        open_log(config.log_file),
        log_format=config.log_format,
        level=config.log_level,
        colors=log_colors(config.log_file),
        dropped=metrics.log_dropped,
    )
    service = Service(config, post.credentials, pipeline=pipeline, metrics=metrics, slot=post.slot, seed=post.seed)
    try:
        service.load()
        gc.freeze()  # what is loaded stays: the collector need not look at it again
        gc.set_threshold(COLLECT_AFTER)
        return asyncio.run(_serve(service, post))
    except (StateError, StoreError, OSError) as error:
        service.log.error("worker_cannot_start", worker=post.slot, reason=str(error))  # noqa: TRY400 - said in a sentence
        return 1
    finally:
        pipeline.close()


async def _serve(service: Service, post: Post) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service.start([post.listener])
    with contextlib.closing(_Conversation(service, post, stop)) as conversation:
        conversation.start()
        await stop.wait()
        await service.drain()
        await service.close()
    return 0


class _Conversation:
    """The worker's part of what it and the supervisor say to each other."""

    def __init__(self, service: Service, post: Post, stop: asyncio.Event) -> None:
        self._service = service
        self._channel = post.channel
        self._slot = post.slot
        self._stop = stop
        self._loop = asyncio.get_running_loop()
        self._reload: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._said: dict[str, object] = {}
        self._last = 0.0

    def start(self) -> None:
        """Says that phones can come, and that the worker lives, from now on."""
        self._loop.add_reader(self._channel.fileno(), self._listen)
        self._channel.send("ready", status=self._service.status())
        self._beat()

    def close(self) -> None:
        """Ends the conversation."""
        self._loop.remove_reader(self._channel.fileno())
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        now = time.monotonic()
        status = self._service.status()
        news = {key: value for key, value in status.items() if key != "connections"}
        interval = min(HEARTBEAT, self._service.config.worker_timeout / 4)
        if (news != self._said or now - self._last >= interval) and self._channel.send("heartbeat", status=status):
            self._said, self._last = news, now
        self._timer = self._loop.call_later(TICK, self._beat)

    def _listen(self) -> None:
        try:
            for order in self._channel.orders():
                self._reload = self._loop.create_task(self._obey(order), name="reload")
        except ChannelClosed:  # the supervisor is gone, and nobody would replace this worker
            self._loop.remove_reader(self._channel.fileno())
            self._stop.set()

    async def _obey(self, order: Any) -> None:
        problem = ""
        try:
            await self._service.reload(order.config, order.credentials)
        except Exception as error:  # whatever it is, phones are answered as before
            problem = str(error) or repr(error)
            self._service.log.exception("reload_failed", worker=self._slot)
        self._channel.send("reloaded", problem=problem, status=self._service.status())
