"""Tracing: which connections' debug lines are written, while any are.

Without an order, and with one for all phones, every connection is traced from its first line on. With an order for some
phones, an address is known at once. A device's name is known from the phone's own certificate after the handshake, or
from its first request: until then a connection keeps the few numbers of its first lines, and writes none. Neither name
is proven: who calls itself as that device is traced as well.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tvs.server.traces import ConnectionTrace, TraceWriter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from certstore.trace import Trace
    from tvs.log.pipeline import LogPipeline
    from tvs.log.tracing import TraceOrder


class Tracing:
    """Decides which connections are traced, until it is closed.

    Args:
        pipeline: takes the lines.
        devices: names of devices that are traced.
        addresses: IP addresses that are traced; with neither, all connections are.

    Attributes:
        scope: devices and addresses, in the spelling in which they are compared.
        write: writes a line.
        everything: likewise, if all is traced; else None.
    """

    def __init__(self, pipeline: LogPipeline, devices: Iterable[str] = (), addresses: Iterable[str] = ()) -> None:
        self._pipeline = pipeline
        self._devices = frozenset(device.upper() for device in devices)
        self._addresses = frozenset(addresses)
        self.scope = (self._devices, self._addresses)
        self.write = TraceWriter(pipeline)
        self.everything: Trace | None = None if self._devices or self._addresses else self.write

    @classmethod
    def wanted(cls, pipeline: LogPipeline, order: TraceOrder | None) -> Tracing | None:
        """The tracing at the pipeline's level and by an order; None if no debug lines are written."""
        if pipeline.enabled("debug"):
            return cls(pipeline)
        return cls(pipeline, order.devices, order.addresses) if order is not None and order.some else None

    def close(self) -> None:
        """Ends it, for connections that are open too."""
        self.write.close()

    def connection(self, number: int, address: str) -> ConnectionTrace | HeldTrace | None:
        """The trace of a new connection; None if it is not traced.

        Args:
            number: its number.
            address: the phone's IP address.
        """
        if self.everything is not None or address in self._addresses:
            return ConnectionTrace(self.write, number, address)
        return HeldTrace(self, number, address) if self._devices else None

    def names(self, device: str) -> bool:
        """Whether a device is traced: by its whole name, or by what follows its last hyphen, in any case of letters."""
        name = device.upper()
        return name in self._devices or name.rpartition("-")[2] in self._devices

    def written(self, when: float) -> TraceWriter:
        """A writer of lines of an earlier moment, in seconds since 1970."""
        writer = TraceWriter(self._pipeline, lambda: when)
        if self.write.closed:
            writer.close()
        return writer


class HeldTrace:
    """Trace of a connection whose device is not known yet. It has the methods of a `ConnectionTrace` until then.

    Args:
        tracing: knows the devices.
        number: the connection's number.
        address: the phone's IP address.
    """

    __slots__ = ("_accepted", "_address", "_handshake", "_known", "_number", "_tracing")

    def __init__(self, tracing: Tracing, number: int, address: str) -> None:
        self._tracing = tracing
        self._number = number
        self._address = address
        self._accepted: tuple[float, int, int, int, int] | None = None
        self._handshake: tuple[float, str] | None = None
        self._known: ConnectionTrace | None = None

    def accepted(self, listener: int, descriptor: int, attempted: int, accepted: int) -> None:
        """Keeps the numbers of the first lines."""
        self._accepted = (time.time(), listener, descriptor, attempted, accepted)

    def handshake_done(self, cipher: str) -> None:
        """Writes the handshake's lines if the phone's certificate has named the device; else keeps what they say."""
        if self._known is None:
            self._handshake = (time.time(), cipher)
        else:
            self._known.handshake_done(cipher)

    def of(self, device: str) -> ConnectionTrace | None:
        """The trace, from the first lines on, if this or an earlier name is that of a traced device."""
        if self._known is None and self._tracing.names(device):
            self._known = self._begun()
        return self._known

    def _begun(self) -> ConnectionTrace:
        if self._accepted is not None:
            when, *numbers = self._accepted
            self._at(when).accepted(*numbers)
        if self._handshake is not None:
            when, cipher = self._handshake
            self._at(when).handshake_done(cipher)
        return ConnectionTrace(self._tracing.write, self._number, self._address)

    def _at(self, when: float) -> ConnectionTrace:
        return ConnectionTrace(self._tracing.written(when), self._number, self._address)
