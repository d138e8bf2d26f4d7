"""Each flight of a phone cut at every offset, with a pause: TLS 1.0 to 1.2; with a client certificate and without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from OpenSSL import SSL

from tests.whole.hostile.cutting import cut_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.fixtures.watching import Watching

VERSIONS = {"TLSv1": SSL.TLS1_VERSION, "TLSv1.1": SSL.TLS1_1_VERSION, "TLSv1.2": SSL.TLS1_2_VERSION}


@pytest.mark.parametrize("version", VERSIONS)
def test_flights_in_two_pieces(serve: Callable[..., Running], watch: Watching, version: str) -> None:
    """Wherever a flight is cut, the service sleeps until the rest comes, and answers."""
    assert cut_everywhere(serve, watch, VERSIONS[version], version) > 1000
