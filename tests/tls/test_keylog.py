"""The TLS key log."""

from __future__ import annotations

import gc
import os
import resource
import stat
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.fixtures.tls import connected, deliver, read_all, service_context
from tvs.tls.contexts import client_context
from tvs.tls.keylog import open_keylog


def test_line_holds_the_connection_s_master_secret(tmp_path: Path) -> None:
    """Up to TLS 1.2 each connection adds one line: CLIENT_RANDOM, the phone's random bytes, the master secret."""
    path = tmp_path / "keys.log"
    context = service_context(keylog=open_keylog(path))
    secrets = [connected(context, client_context(maximum=SSL.TLS1_2_VERSION))[0].master_secret.hex() for _ in range(3)]
    lines = [line.split(" ") for line in path.read_text().splitlines()]
    assert [line[0] for line in lines] == ["CLIENT_RANDOM"] * 3
    assert [len(line[1]) for line in lines] == [64] * 3
    assert [line[2].lower() for line in lines] == secrets


def test_lines_of_tls_1_3(tmp_path: Path) -> None:
    """In TLS 1.3 the log has the traffic secrets of both directions."""
    path = tmp_path / "keys.log"
    connected(service_context(keylog=open_keylog(path)))
    labels = {line.split(" ")[0] for line in path.read_text().splitlines()}
    assert {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"} <= labels


def test_file_is_private_and_appended_to(tmp_path: Path) -> None:
    """The file has mode 0600, also if it exists with another; what it holds stays."""
    path = tmp_path / "keys.log"
    path.write_text("# before\n")
    path.chmod(0o644)
    connected(service_context(keylog=open_keylog(path)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("# before\n")
    open_keylog(tmp_path / "new.log")
    assert stat.S_IMODE((tmp_path / "new.log").stat().st_mode) == 0o600


def test_symbolic_link_is_refused(tmp_path: Path) -> None:
    """Secrets are not written through a link to another file."""
    target, link = tmp_path / "target", tmp_path / "keys.log"
    target.write_text("")
    link.symlink_to(target)
    with pytest.raises(OSError, match=r"keys\.log"):
        open_keylog(link)


def test_only_regular_files_take_secrets(tmp_path: Path) -> None:
    """A FIFO with a reader, in which a handshake would wait, is refused."""
    path = tmp_path / "keys.log"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="not a regular file"):
            open_keylog(path)
    finally:
        os.close(reader)


def test_full_disk_ends_no_handshake(tmp_path: Path) -> None:
    """A line that cannot be written is lost; the connection is not."""
    keylog = open_keylog(tmp_path / "keys.log")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))  # Python ignores SIGXFSZ: writing fails with EFBIG
    try:
        phone, service = connected(service_context(keylog=keylog))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    phone.write(b"question")
    deliver(phone, service)
    assert read_all(service) == b"question"
    assert (tmp_path / "keys.log").read_bytes() == b""


def test_file_is_closed_with_the_callback(tmp_path: Path) -> None:
    """The descriptor lives as long as the callback."""
    path = tmp_path / "keys.log"
    callback = open_keylog(path)
    assert _is_open(path)
    del callback
    gc.collect()
    assert not _is_open(path)


def _is_open(path: Path) -> bool:
    """Whether this process has the file open."""
    for link in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(link) == str(path):  # noqa: PTH115 - the text of the link, not what it leads to
                return True
        except FileNotFoundError:  # the directory's own descriptor
            continue
    return False
