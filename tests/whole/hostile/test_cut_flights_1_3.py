"""Each flight of a TLS 1.3 phone cut at every offset, with a pause; with a client certificate and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from OpenSSL import SSL

from tests.whole.hostile.cutting import cut_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching


def test_flights_in_two_pieces(serve: Callable[..., Running], watch: Watching) -> None:
    """Wherever a flight is cut, the service sleeps until the rest comes, and answers; so for the longest hello."""
    assert cut_everywhere(serve, watch, SSL.TLS1_3_VERSION, "TLSv1.3") > 2000
