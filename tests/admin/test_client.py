"""The client of the admin port: what it says of ports that are not one."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.ports import quiet_port
from tvs.admin.client import MAX_REPORT, NoReport, fetch_report
from tvs.config.endpoint import Endpoint
from tvs.system.listening import listen

if TYPE_CHECKING:
    from collections.abc import Iterator


def answer(body: bytes, status: str = "200 OK") -> bytes:
    """An HTTP answer."""
    return f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@contextmanager
def port(data: bytes) -> Iterator[Endpoint]:
    """A port that answers one request with these bytes."""
    with closing(listen("127.0.0.1", 0, backlog=1)) as listener:
        listener.setblocking(True)

        def serve() -> None:
            connection, _ = listener.accept()
            with closing(connection):
                connection.recv(65536)
                connection.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1])
        thread.join(30)


def test_report() -> None:
    """The document as it is; the wildcard address of a listener is this machine."""
    with port(answer(b'{"version": 1, "more": [2]}')) as admin:
        assert fetch_report(Endpoint("0.0.0.0", admin.port)) == {"version": 1, "more": [2]}  # noqa: S104 - as a listener


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (answer(b'{"version": 2}'), "the report has version 2, this command knows 1"),
        (answer(b'{"version": "\\u001b[31m"}'), r"version \x1b[31m"),
        (answer(b"[]"), "is not the admin port of a TVS service"),
        (answer(b"<html>"), "is not the admin port of a TVS service"),
        (answer(b"[" * 100_000), "is not the admin port of a TVS service"),
        (answer(b'{"error": 1}', "404 Not Found"), "has no /status.json; it is of an earlier release"),
        (answer(b"", "503 Service Unavailable"), "with HTTP status 503"),
        (answer(b" " * (MAX_REPORT + 1)), f"more than {MAX_REPORT} bytes"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no report came"),
        (b"", "no report came"),
    ],
)
def test_other_answers(data: bytes, sentence: str) -> None:
    """Each gives a sentence that names the port and what is wrong."""
    with port(data) as admin, pytest.raises(NoReport) as raised:
        fetch_report(admin)
    assert str(admin) in str(raised.value)
    assert sentence in str(raised.value)


def test_nothing_there() -> None:
    """A port on which nothing listens says that no service runs, and how to name another port."""
    with pytest.raises(NoReport, match="does not run there, or its admin port is another one; name it with --admin"):
        fetch_report(Endpoint("127.0.0.1", quiet_port()))
