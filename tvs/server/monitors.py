"""Monitors of a worker's sources, as tasks of its event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tvs.answers.sources import Sources
    from tvs.server.shared import Shared

_AGAIN: Final = 1.0
"""Seconds until a monitor begins again that an error has ended."""


class Monitors:
    """The tasks in which the caches follow the database and the CTL file.

    Args:
        shared: has the log.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, sources: Sources) -> None:
        """Begins to follow the sources. On the event loop."""
        for name, monitor in sources.monitors().items():
            self._tasks.append(asyncio.create_task(self._keep_running(name, monitor), name=name))

    async def stop(self) -> None:
        """Follows them no longer."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_running(self, name: str, monitor: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Begins a monitor again that an error has ended: phones would get the answers of that time for ever."""
        while True:
            try:
                await monitor()
            except Exception as error:  # noqa: BLE001 - memory is short, or a bug
                self._shared.failed("task_failed", error, task=name)
            await asyncio.sleep(_AGAIN)
