"""Console of a phone: its events, and the silent console."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proto.messages import MessageType
    from tvs.config.endpoint import Endpoint


class Console:
    """Events of a phone's console. This one is silent, for phones by the thousand.

    Attributes:
        number: number of the last line; a phone continues to count after a restart.
    """

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0

    # -- connection to a TVS server

    def connecting(self, server: Endpoint) -> None:
        """The phone is about to try a TVS server."""

    def tcp_connected(self, server: Endpoint, descriptor: int, attempt: int) -> None:
        """TCP is connected; `attempt` numbers the connections of this phone."""

    def handshake_started(self, server: Endpoint, descriptor: int, attempt: int) -> None:
        """The TLS handshake starts."""

    def alert_received(self, server: Endpoint, alert: str, *, first: bool) -> None:
        """The server refused the handshake with this alert; `first` is an alert in place of its hello."""

    def connection_failed(self, server: Endpoint, descriptor: int | None, attempt: int) -> None:
        """The connection failed; without a descriptor, TCP already did."""

    def server_accepted(self) -> None:
        """The server's certificate is a TVS record of the ITL, and the handshake is done."""

    # -- request to TVS

    def cache_missed(self, kind: MessageType) -> None:
        """The phone's cache has no answer."""

    def request_started(self, kind: MessageType) -> None:
        """The connection is ready for the request."""

    def request_sent(self, kind: MessageType, size: int) -> None:
        """The request was sent; `size` in bytes."""

    def answer_received(self, kind: MessageType, size: int, status: int) -> None:
        """The answer came, `size` in bytes; status 0 is trusted."""

    def answer_cached(self, seconds: int) -> None:
        """The answer was cached for this time to live."""

    # -- trust lists

    def list_verified(self, version: tuple[int, int]) -> None:
        """A fetched list is good, and its signer is trusted; `version` is that of its header."""

    def list_updated(self) -> None:
        """The list was installed."""

    def cache_flushed(self) -> None:
        """The cache of TVS answers was flushed, the last step of a boot that changed a list."""

    # -- secure service URL

    def https_unknown(self, server: Endpoint) -> None:
        """The server's certificate is in no installed list with a fitting role; TVS can be asked."""

    def https_authenticated(self) -> None:
        """TVS, or its answer in the cache, vouched for the server's certificate."""


SILENT = Console()
"""Console of phones without a reader."""
