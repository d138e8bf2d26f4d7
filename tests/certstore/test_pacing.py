"""Pauses that another part of the loop can end."""

from __future__ import annotations

import asyncio

from certstore.pacing import Pause

LONG = 3600.0


async def test_a_pause_ends_by_itself() -> None:
    """Without anything else it takes its time, again and again."""
    pause = Pause()
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        await pause.wait(0.02)
    assert asyncio.get_running_loop().time() - began >= 0.055


async def test_a_pause_is_ended() -> None:
    """An end wakes the waiting task at once; the pause after it is a whole one."""
    pause = Pause()
    waiting = asyncio.create_task(pause.wait(LONG))
    await asyncio.sleep(0)
    pause.end()
    pause.end()
    await asyncio.wait_for(waiting, 30)
    await check_whole(pause)


async def check_whole(pause: Pause) -> None:
    """The next wait is a whole one."""
    began = asyncio.get_running_loop().time()
    await pause.wait(0.05)
    assert asyncio.get_running_loop().time() - began >= 0.045


async def test_an_end_before_the_pause_counts() -> None:
    """News that comes while the task works makes it look again without a pause, once."""
    pause = Pause()
    pause.end()
    await asyncio.wait_for(pause.wait(LONG), 30)
    await check_whole(pause)


async def test_a_pause_that_is_cancelled() -> None:
    """A task that is cancelled in its pause leaves nothing behind; an end afterwards is one for the next."""
    pause = Pause()
    waiting = asyncio.create_task(pause.wait(LONG))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    pause.end()
    await asyncio.wait_for(pause.wait(LONG), 30)
