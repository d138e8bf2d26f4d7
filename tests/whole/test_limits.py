"""Limits of connections, and the outcomes in which connections end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from OpenSSL import SSL

from tests.fixtures.running import PATIENCE, wait_until
from tests.whole.strangers import DEVICE, ask, connect, connect_tls, half_open, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running


async def test_limits_refuse_at_once(
    serve: Callable[..., Running], scrape: Callable[[Running], dict[str, float]]
) -> None:
    """A connection beyond the limits is closed at once, so that the phone asks its next server."""
    service = serve("--max-half-open", "3", "--handshake-timeout", "60", "--log-level", "info")
    with half_open(service, 3), connect(service) as refused:
        refused.settimeout(PATIENCE)
        assert refused.recv(1) == b""
    wait_until(lambda: scrape(service)['tvs_connections{state="handshake"}'] == 0, "the places are free again")
    assert await ask(service)
    assert scrape(service)['tvs_connections_rejected_total{reason="half_open"}'] == 1


async def test_limit_for_one_address(
    serve: Callable[..., Running], scrape: Callable[[Running], dict[str, float]]
) -> None:
    """With --max-per-address one address cannot take all connections; another one is served."""
    service = serve("--max-per-address", "2", "--handshake-timeout", "60")
    with half_open(service, 2), connect(service) as refused:
        refused.settimeout(PATIENCE)
        assert refused.recv(1) == b""
        async with service.client(local_address="127.0.0.2") as phone:
            await phone.query(device=DEVICE, subject="CN=a", issuer="CN=a", serial=b"\1")
    wait_until(
        lambda: scrape(service)['tvs_connections_rejected_total{reason="address"}'] == 1, "the rejection is counted"
    )


def test_every_connection_ends_in_one_outcome(
    serve: Callable[..., Running], scrape: Callable[[Running], dict[str, float]]
) -> None:
    """Each outcome of a connection is counted once, under its own name."""
    service = serve("--handshake-timeout", "2", "--request-timeout", "2", "--log-level", "info")
    with connect(service) as slow, contextlib.closing(connect_tls(service)) as waiting:
        slow.sendall(b"\x16")
        connect(service).close()  # probe
        with connect(service) as speaker:
            speaker.sendall(b"GET / HTTP/1.0\r\n\r\n")  # handshake_failed
            while speaker.recv(1000):
                pass
        answered = connect_tls(service)
        answered.send(request())
        assert answered.recv(10)
        answered.shutdown()
        answered.close()
        silent = connect_tls(service)  # no_request
        silent.shutdown()
        silent.close()
        with contextlib.closing(connect_tls(service)) as malformed, contextlib.suppress(SSL.ZeroReturnError):
            malformed.send(b"GET / HTTP/1.0\r\n\r\n")  # protocol_error
            malformed.recv(1)
        assert slow.recv(1) == b""  # handshake_timeout
        with contextlib.suppress(SSL.ZeroReturnError):
            waiting.recv(1)  # request_timeout
    wanted = {
        "probe": 1,
        "handshake_failed": 1,
        "handshake_timeout": 1,
        "answered": 1,
        "no_request": 1,
        "request_timeout": 1,
        "protocol_error": 1,
    }

    def outcomes() -> dict[str, float]:
        found = scrape(service)
        names = {name: f'tvs_connections_closed_total{{outcome="{name}"}}' for name in (*wanted, "internal_error")}
        return {name: found[metric] for name, metric in names.items() if found[metric]}

    wait_until(lambda: sum(outcomes().values()) == len(wanted), "all connections have ended")
    assert outcomes() == wanted
    counted = scrape(service)
    assert counted["tvs_connections_accepted_total"] == len(wanted)
    assert counted['tvs_protocol_errors_total{kind="discriminator"}'] == 1
