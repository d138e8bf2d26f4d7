"""Strangers, slow readers and storms: phones do not notice them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from proto.codec import encode
from proto.messages import QueryCertRequest, TrustStatus
from tests.fixtures.processes import until
from tests.fixtures.running import wait_until
from tests.whole.strangers import DEVICE, ask, connect_tls, request
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory


async def test_unread_log_pipe_delays_no_phone(
    state: StateDirectory, scrape: Callable[[Running], dict[str, float]], serve: Callable[..., Running]
) -> None:
    """If a log pipe is full and not read, lines are dropped and counted, and phones are answered."""
    reader, writer = os.pipe()
    service = serve(stderr=writer)
    try:
        connection = connect_tls(service)
        with contextlib.closing(connection):
            for _ in range(150):  # some 130,000 lines: the buffer takes 32,768, and a batch on its way as many
                connection.send(request() * 30)
                answers = 0
                while answers < 30 * 14:
                    answers += len(connection.recv(16384))
        wait_until(
            lambda: scrape(service)['tvs_log_dropped_total{reason="not_written"}'] > 0, "dropped lines are counted"
        )
        assert await ask(service)
    finally:
        os.close(writer)
        os.close(reader)


def test_client_with_long_names_fills_no_disk(
    serve: Callable[..., Running], scrape: Callable[[Running], dict[str, float]], tmp_path: Path
) -> None:
    """Queries with names of control characters, as many as a client can send: short lines, each written or counted."""
    log = tmp_path / "tvs.log"
    service = serve("--log-file", str(log), "--log-level", "info", "--connection-timeout", "60")
    query = encode(
        QueryCertRequest(
            session_id=1,
            device_name=DEVICE,
            subject_name="CN=" + "\n" * 7000,
            issuer_name="CN=" + "\x01" * 7000,
            serial_number=b"\1",
        )
    )
    queries = 1500
    with contextlib.closing(connect_tls(service)) as connection:
        for _ in range(queries // 30):
            connection.sendall(query * 30)
            answers = 0
            while answers < 30 * 14:
                answers += len(connection.recv(16384))

    def lines() -> list[bytes]:
        return [line for line in log.read_bytes().splitlines() if b" | info request " in line]

    def dropped(reason: str) -> float:
        return scrape(service)[f'tvs_log_dropped_total{{reason="{reason}"}}']

    wait_until(lambda: len(lines()) + dropped("budget") == queries, "each line is counted")
    assert dropped("not_written") == 0
    assert max(map(len, lines())) < 5000


async def test_thousand_replacements_of_the_ctl_file(
    serve: Callable[..., Running],
    state: StateDirectory,
    tokenless: bytes,
    regenerated: bytes,
    with_tokens: bytes,
    capf: bytes,
    scrape: Callable[[Running], dict[str, float]],
) -> None:
    """1,000 replacements of CTLFile.tlv under steady queries: no wrong answer, no failed connection.

    CAPF stands in all three lists, so each answer must be trusted and carry exactly its certificate.
    """
    write_atomically(state.ctl_file, tokenless)
    service = serve("--log-level", "info")
    name = "CN=CAPF-e41e7d87;OU=TAC;O=Cisco;L=Krakow;ST=Malopolska;C=PL"
    serial = bytes.fromhex("744B4999770496E799E91E81D3C8109B")
    replaced = asyncio.Event()
    asked = 0

    async def phones() -> None:
        nonlocal asked
        while not replaced.is_set():
            async with service.client() as phone:
                answer = await phone.query(device=DEVICE, subject=name, issuer=name, serial=serial)
            assert (answer.status, answer.certificates, answer.roles) == (TrustStatus.TRUSTED, (capf,), (4,))
            asked += 1

    async def administrator() -> None:
        for number in range(1000):
            write_atomically(state.ctl_file, (regenerated, with_tokens, tokenless)[number % 3])
            await asyncio.sleep(0.004)
        replaced.set()

    await asyncio.gather(administrator(), *(phones() for _ in range(4)))
    assert asked > 100
    requests = 'tvs_requests_total{result="trusted",source="ctl",type="query_cert_req"}'
    await until(lambda: scrape(service)[requests] >= asked, "all requests are counted")
    counted = scrape(service)
    assert counted['tvs_ctl_reloads_total{result="reloaded"}'] > 1
    assert sum(counted[f'tvs_ctl_reloads_total{{result="{bad}"}}'] for bad in ("damaged", "unverified")) == 0
    assert counted[requests] == asked
