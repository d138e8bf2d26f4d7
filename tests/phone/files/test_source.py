"""Sources of files, against servers that we did not write and against hostile servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.running import wait_until
from tvs.phone.files.directory import DirectorySource
from tvs.phone.files.fallback import FallbackSource
from tvs.phone.files.opening import HTTP_PORT, open_source
from tvs.phone.files.source import FetchError, FileSource, FileTooLarge, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.fixtures.programs import RequireProgram

MOST = 65_536
CONTENT = {"CTLFile.tlv": os.urandom(5000), "ITLFile.tlv": os.urandom(512 * 9), "large.tlv": os.urandom(MOST + 1)}
"""One file ends on a full TFTP block, after which an empty block must follow."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A directory of files."""
    directory = tmp_path / "files"
    directory.mkdir()
    for name, data in CONTENT.items():
        (directory / name).write_bytes(data)
    return directory


@contextlib.contextmanager
def http_at(host: str, port: int, directory: Path) -> Iterator[None]:
    """Python's own HTTP server, while the block runs."""
    command = [sys.executable, "-m", "http.server", str(port), "--bind", host, "--directory", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: listens(port, host), "HTTP server")
        yield
        process.kill()


@pytest.fixture
def http_server(files: Path, free_port: Callable[[int], int]) -> Iterator[str]:
    """Python's own HTTP server."""
    port = free_port(socket.SOCK_STREAM)
    with http_at("127.0.0.1", port, files):
        yield f"http://127.0.0.1:{port}"


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a connection is accepted."""
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


async def check(source: FileSource) -> None:
    """Checks whole files, a missing one, one that is too large, and bad names."""
    try:
        fetched = await asyncio.gather(*(source.fetch(name, MOST) for name in ("CTLFile.tlv", "ITLFile.tlv")))
        assert fetched == [CONTENT["CTLFile.tlv"], CONTENT["ITLFile.tlv"]]
        assert await source.fetch("CTLSEP001122334455.tlv", MOST) is None
        with pytest.raises(FileTooLarge, match=r"large\.tlv has more than 65536 bytes"):
            await source.fetch("large.tlv", MOST)
        assert await source.fetch("large.tlv", MOST + 1) == CONTENT["large.tlv"]
        for name in ("../secret", "/etc/passwd", "", "a b", "x" * 200, "a\r\nHost: b"):
            with pytest.raises(FetchError, match="is not the name of a phone's file"):
                await source.fetch(name, MOST)
    finally:
        await source.close()


async def test_a_directory(files: Path) -> None:
    """A directory of this machine."""
    await check(open_source(str(files)))


async def test_tftpd_hpa(files: Path, tftp_server: Callable[[Path], str]) -> None:
    """The TFTP server of the distribution."""
    await check(open_source(tftp_server(files)))


async def test_http(http_server: str) -> None:
    """An HTTP server."""
    await check(open_source(http_server))


# -- HTTP first, then TFTP -------------------------------------------------------------------------------------------


class Canned:
    """A source with one answer to every name: bytes, None or an error."""

    def __init__(self, answer: bytes | Exception | None) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.closed = False

    async def fetch(self, name: str, most: int) -> bytes | None:
        """Gives the answer, and records the name."""
        assert most == MOST
        self.asked.append(name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        """Records that it was closed."""
        self.closed = True


@pytest.mark.parametrize("answer", [b"a list", None, FileTooLarge("more than 65536 bytes")], ids=str)
async def test_an_answer_over_http_counts(answer: bytes | Exception | None) -> None:
    """A file, a missing file and a file that is too large are answers: TFTP is not asked."""
    first, second = Canned(answer), Canned(b"another list")
    source = FallbackSource(first, second)
    if isinstance(answer, Exception):
        with pytest.raises(FileTooLarge):
            await source.fetch("CTLFile.tlv", MOST)
    else:
        assert await source.fetch("CTLFile.tlv", MOST) == answer
    assert second.asked == []
    await source.close()
    assert (first.closed, second.closed) == (True, True)


async def test_tftp_is_asked_if_http_fails() -> None:
    """A server without HTTP is asked over HTTP once for a boot; one that fails for a file, again for the next file."""
    for failure, asked in ((Unreachable("port 6970 is closed"), 1), (FetchError("500 Oops"), 2)):
        first, second = Canned(failure), Canned(b"a list")
        source = FallbackSource(first, second)
        for name in ("CTLFile.tlv", "ITLFile.tlv"):
            assert await source.fetch(name, MOST) == b"a list"
        assert (len(first.asked), second.asked) == (asked, ["CTLFile.tlv", "ITLFile.tlv"])


async def test_both_failures_are_named() -> None:
    """The server is unreachable only if both ways are; a file that is too large stays too large."""
    closed, silent = Unreachable("port 6970 is closed"), Unreachable("no answer over TFTP")
    with pytest.raises(Unreachable, match="port 6970 is closed; no answer over TFTP"):
        await FallbackSource(Canned(closed), Canned(silent)).fetch("CTLFile.tlv", MOST)
    with pytest.raises(FetchError, match="500 Oops; no answer over TFTP") as caught:
        await FallbackSource(Canned(FetchError("500 Oops")), Canned(silent)).fetch("CTLFile.tlv", MOST)
    assert not isinstance(caught.value, Unreachable)
    with pytest.raises(FileTooLarge):
        await FallbackSource(Canned(closed), Canned(FileTooLarge("large"))).fetch("CTLFile.tlv", MOST)


async def test_a_real_server_without_http(dnsmasq: str) -> None:
    """Port 6970 is closed: TFTP delivers."""
    await check(open_source(f"http+{dnsmasq}", 1))


async def test_a_real_server_over_http_and_tftp(files: Path, dnsmasq: str) -> None:
    """HTTP on port 6970 delivers while it runs, then TFTP does."""
    over_http = files.with_name("http")
    over_http.mkdir()
    (over_http / "CTLFile.tlv").write_bytes(b"over HTTP")
    source = open_source(f"http+{dnsmasq}", 1)
    with http_at(dnsmasq.removeprefix("tftp://"), HTTP_PORT, over_http):
        assert await source.fetch("CTLFile.tlv", MOST) == b"over HTTP"
        assert await source.fetch("ITLFile.tlv", MOST) is None
    for name in ("CTLFile.tlv", "ITLFile.tlv"):
        assert await source.fetch(name, MOST) == CONTENT[name]
    await source.close()


@pytest.fixture
def dnsmasq(files: Path, require_program: RequireProgram) -> Iterator[str]:
    """Another TFTP server of the distribution. Its port is fixed, so it gets an address of this process alone."""
    program = require_program("dnsmasq")
    if os.geteuid() != 0:
        pytest.skip("dnsmasq serves TFTP on port 69 only, which only root may open")
    process_id = os.getpid()
    host = f"127.{64 + (process_id >> 16)}.{process_id >> 8 & 255}.{process_id & 255}"
    options = ["--port=0", "--enable-tftp", f"--tftp-root={files}", f"--listen-address={host}", "--bind-interfaces"]
    command = [program, "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=root", *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: answers_tftp(host, 69), "dnsmasq")
        yield f"tftp://{host}"
        process.kill()


async def test_dnsmasq(dnsmasq: str) -> None:
    """Another TFTP server of the distribution, on the usual port."""
    await check(open_source(dnsmasq))


def answers_tftp(host: str, port: int) -> bool:
    """Whether a request for a missing file is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        try:
            client.sendto(b"\0\x01is-it-up\0octet\0", (host, port))
            return bool(client.recv(600))
        except OSError:
            return False


async def test_servers_that_are_down(free_port: Callable[[int], int], tmp_path: Path) -> None:
    """Each source reports `Unreachable`, in time."""
    for address in (
        f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}",
        f"tftp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
        "tftp://no-such-host.invalid",
        "http://no-such-host.invalid",
        str(tmp_path / "nowhere"),
    ):
        source = open_source(address, 0.2)
        with pytest.raises(Unreachable):
            await source.fetch("CTLFile.tlv", MOST)
        await source.close()


@pytest.mark.parametrize(
    "address",
    [
        "ftp://192.0.2.1",
        "tftp://",
        "tftp://192.0.2.1/CTLFile.tlv",
        "http://:80",
        "http://h:x",
        "http+tftp://",
        "http+tftp://192.0.2.1/CTLFile.tlv",
        "http+tftp://192.0.2.1:6970",
    ],
)
def test_wrong_addresses(address: str) -> None:
    """The error shows the form of addresses."""
    with pytest.raises(ValueError, match=r"write (tftp://HOST|HOST:PORT)"):
        open_source(address)


async def test_an_unreadable_file(tmp_path: Path) -> None:
    """A directory in place of the file is an error, not a missing file."""
    (tmp_path / "CTLFile.tlv").mkdir()
    with pytest.raises(FetchError, match="cannot be read: Is a directory"):
        await DirectorySource(tmp_path).fetch("CTLFile.tlv", MOST)


# -- hostile servers -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def tftp_that_says(*answers: bytes) -> Iterator[str]:
    """A TFTP server that answers each packet with the next of these, and with the last one for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            left = list(answers)
            with contextlib.suppress(OSError):
                while packet := server.recvfrom(2000):
                    if packet[0] == b"end":
                        return
                    server.sendto(left.pop(0) if len(left) > 1 else left[0], packet[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tftp://127.0.0.1:{server.getsockname()[1]}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"end", server.getsockname())
            thread.join()


async def test_an_interrupted_transfer_is_abandoned() -> None:
    """A cancelled fetch ends while the server is still silent; the thread that waits keeps no process alive."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        source = open_source(f"tftp://127.0.0.1:{silent.getsockname()[1]}", 3600)
        fetch = loop.create_task(source.fetch("CTLFile.tlv", MOST))
        packet, client = await asyncio.to_thread(silent.recvfrom, 2000)
        assert packet.startswith(b"\0\x01CTLFile.tlv")
        fetch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetch
        await source.close()
        waiting = [thread for thread in threading.enumerate() if thread.name == "tftp"]
        assert [thread.daemon for thread in waiting] == [True]
        silent.sendto(b"\0\x05\0\x01File not found\0", client)
        await asyncio.to_thread(waiting[0].join)


TFTP_HARM = {
    "nothing in a packet": (b"",),
    "one byte": (b"\0",),
    "unknown opcode": (b"\0\x63hello",),
    "no block number": (b"\0\x03\0",),
    "block 0 for ever": (b"\0\x03\0\0" + bytes(512),),
    "block 1 for ever": (b"\0\x03\0\x01" + bytes(512),),
    "a block of the future": (b"\0\x03\x40\0" + bytes(512),),
    "our own request": (b"\0\x01CTLFile.tlv\0octet\0",),
    "an acknowledgement": (b"\0\x04\0\x01",),
    "unrequested options": (b"\0\x06blksize\0" + b"65464\0",),
    "malformed options": (b"\0\x06\xff\xff\xff",),
    "an error with odd text": (b"\0\x05\0\x02\x1b[2J\xff\xfe\0",),
    "a truncated error": (b"\0\x05\0",),
}


@pytest.mark.parametrize("answers", TFTP_HARM.values(), ids=TFTP_HARM.keys())
async def test_a_hostile_tftp_server(answers: tuple[bytes, ...]) -> None:
    """Any answer ends the fetch with an error of one line, in time."""
    with tftp_that_says(*answers) as address:
        source = open_source(address, 0.2)
        with pytest.raises(FetchError) as caught:
            await source.fetch("CTLFile.tlv", MOST)
        await source.close()
    assert str(caught.value).isprintable()


@contextlib.asynccontextmanager
async def http_that_says(answer: bytes, *, for_ever: bool = False) -> AsyncIterator[str]:
    """An HTTP server that answers each connection with these bytes; `for_ever` repeats a kilobyte without end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while for_ever:
                writer.write(bytes(1024))
                await writer.drain()
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


HTTP_HARM = {
    "no HTTP": (b"hello\r\n\r\n", False),
    "nothing": (b"", False),
    "cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nabc", False),
    "endless": (b"HTTP/1.1 200 OK\r\n\r\n", True),
    "endless header": (b"HTTP/1.1 200 OK\r\nX: ", True),
    "elsewhere": (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", False),
    "broken": (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", False),
    "huge length": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nabc", False),
}


@pytest.mark.parametrize(("answer", "for_ever"), HTTP_HARM.values(), ids=HTTP_HARM.keys())
async def test_a_hostile_http_server(answer: bytes, for_ever: bool) -> None:
    """Any answer ends the fetch with an error of one line; memory does not grow."""
    async with http_that_says(answer, for_ever=for_ever) as address:
        source = open_source(address, 1)
        with pytest.raises(FetchError) as caught:
            await source.fetch("CTLFile.tlv", MOST)
        await source.close()
    assert str(caught.value).isprintable()
