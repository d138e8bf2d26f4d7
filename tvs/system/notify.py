"""Notifications of the service manager: sd_notify(3), datagrams of KEY=VALUE lines to NOTIFY_SOCKET."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Notifies the service manager; without one it does nothing.

    Args:
        environment: NOTIFY_SOCKET names the socket, with ``@`` first for an abstract one. WATCHDOG_USEC is the time
            within which the manager expects a notification, WATCHDOG_PID the process that it expects it from.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        self._interval = _watchdog_interval(environment)
        self._last = 0.0

    def ready(self, status: str) -> None:
        """Notifies that the service answers phones, also after a reload. `status`: a sentence for administrators."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Notifies that a reload begins; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", "STATUS=Reloading")

    def stopping(self, seconds: float) -> None:
        """Notifies that the service stops, within so many seconds."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}", "STATUS=Stopping")

    def watchdog(self, now: float) -> None:
        """Notifies that the service is alive, as often as the manager expects it. `now`: monotonic seconds."""
        if self._interval and now - self._last >= self._interval:
            self._last = now
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Closes the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # a manager that does not read changes nothing for phones
                self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)


def _watchdog_interval(environment: Mapping[str, str]) -> float:
    """Seconds between two notifications: a third of what is allowed; 0 if none are expected."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    return int(microseconds) / 3_000_000 if microseconds.isdigit() and meant else 0.0
