"""The last good copy in a state directory: its signature, and files that are not taken for it."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from certstore.index import CertificateIndex
from certstore.purposes import Purpose
from tests.fixtures.running import run_tvs
from tests.fixtures.service import made_state, state
from tvs.answers.lastgood import LastGood, read_last_good, same_as_written, still_good, write_last_good
from tvs.answers.seed import read_seed
from tvs.config.settings import Config
from tvs.errors import StateError
from tvs.manage.provision import NewCluster, initialise
from tvs.state import StateDirectory

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["made_state", "state"]


def copy_of(state: StateDirectory) -> LastGood:
    """What the service would copy."""
    seed = read_seed(Config(state=state.path), lambda *_: None)
    with closing(state.store()) as store:
        certificate = store.entry(Purpose.TVS, "TVS").certificate
    return LastGood(
        index=seed.index,
        change_number=seed.change_number,
        token=seed.token,
        database=seed.database,
        time_to_live=seed.time_to_live,
        security_mode="1",
        certificate=certificate.der,
        expiry=(("TVS", "TVS.pem", certificate.not_after.timestamp()),),
    )


def test_what_is_written_is_read(state: StateDirectory) -> None:
    """Everything comes back, with the time of writing; nobody else may read the file."""
    copy = copy_of(state)
    assert copy.token
    write_last_good(state, copy)
    found = read_last_good(state)
    assert found is not None
    status = state.last_good.stat()
    assert (found.as_of, status.st_mode & 0o777) == (status.st_mtime, 0o600)
    assert found.index.content == copy.index.content
    assert replace(found, index=copy.index, as_of=None) == copy
    assert [path.name for path in state.path.glob(".last-good*")] == []


def test_a_copy_of_before_tokens(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that names no token is read, and written anew with it."""
    copy, header = copy_of(state), LastGood.header
    monkeypatch.setattr(LastGood, "header", lambda self: {k: v for k, v in header(self).items() if k != "token"})
    write_last_good(state, copy)
    monkeypatch.undo()
    found = read_last_good(state)
    assert found is not None
    assert (found.token, found.index.content) == ("", copy.index.content)
    assert not same_as_written(state, copy)


def test_no_copy(state: StateDirectory) -> None:
    """A state directory that never served has none."""
    assert read_last_good(state) is None
    assert not same_as_written(state, copy_of(state))


def test_a_copy_that_is_known_again(state: StateDirectory) -> None:
    """A copy of the same content is known by its header; one with another certificate or mode is another one."""
    copy = copy_of(state)
    write_last_good(state, copy)
    assert same_as_written(state, copy)
    for other in (replace(copy, security_mode="0"), replace(copy, index=CertificateIndex()), replace(copy, expiry=())):
        assert not same_as_written(state, other)


def test_a_copy_that_is_still_good(state: StateDirectory) -> None:
    """A comparison makes it younger, and changes nothing else."""
    write_last_good(state, copy_of(state))
    before = state.last_good.read_bytes()
    os.utime(state.last_good, (1_000, 1_000))
    still_good(state)
    found = read_last_good(state)
    assert found is not None
    assert found.as_of is not None
    assert found.as_of > 1_000_000
    assert state.last_good.read_bytes() == before


def test_what_a_killed_writer_left_is_removed(state: StateDirectory) -> None:
    """Each writer removes the unfinished copies of those before."""
    (state.path / ".last-good.abc.new").write_bytes(b"unfinished")
    write_last_good(state, copy_of(state))
    assert list(state.path.glob(".last-good.*")) == []


def test_a_damaged_copy(state: StateDirectory) -> None:
    """A copy in which one certificate was changed is refused by its signature."""
    copy = copy_of(state)
    write_last_good(state, copy)
    data = bytearray(state.last_good.read_bytes())
    place = data.rindex(copy.certificate) + len(copy.certificate) // 2
    data[place] ^= 1
    state.last_good.write_bytes(data)
    with pytest.raises(StateError, match="last-good: the copy cannot be used: its signature is not good"):
        read_last_good(state)


def test_damage_that_the_header_does_not_show(state: StateDirectory) -> None:
    """A byte that was changed in the entries, or an end that was cut off, is found when the whole file is read."""
    copy = copy_of(state)
    write_last_good(state, copy)
    whole = state.last_good.read_bytes()
    assert same_as_written(state, copy, whole=True)
    place = whole.rindex(copy.certificate) + len(copy.certificate) // 2
    for damaged in (whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], whole[:-1], whole[:place]):
        state.last_good.write_bytes(damaged)
        assert same_as_written(state, copy)
        assert not same_as_written(state, copy, whole=True)
    (key,) = state.keys.glob("TVS-*.key")
    key.unlink()
    with pytest.raises(StateError, match="the private key of the TVS certificate is not there"):
        same_as_written(state, copy, whole=True)


def test_a_damaged_certificate_in_the_header(state: StateDirectory) -> None:
    """Base64 that is no certificate any more is a damaged copy, like all other damage."""
    copy = copy_of(state)
    write_last_good(state, copy)
    data = state.last_good.read_bytes()
    start = b'"certificate": "'
    place = data.index(start) + len(start)
    for text in (b"AAAA", b"MAAA"):
        state.last_good.write_bytes(data[:place] + text + data[place + 4 :])
        with pytest.raises(StateError, match="cannot be used: the certificate in its header is damaged"):
            read_last_good(state)


def test_a_copy_of_another_node(state: StateDirectory, tmp_path: Path) -> None:
    """A copy that another node signed is refused: its key is not here, and no other key stands in for it."""
    other = StateDirectory(tmp_path / "other")
    initialise(other.path, NewCluster(name="other", address="127.0.0.2"))
    write_last_good(other, copy_of(other))
    shutil.copy2(other.last_good, state.last_good)
    with pytest.raises(StateError, match="the private key of the TVS certificate is not there"):
        read_last_good(state)
    (ours,) = state.keys.glob("TVS-*.key")
    (theirs,) = other.keys.glob("TVS-*.key")
    shutil.copy2(ours, state.keys / theirs.name)
    with pytest.raises(StateError, match="its signature is not good"):
        read_last_good(state)


def test_files_that_are_not_taken(state: StateDirectory, tmp_path: Path) -> None:
    """A symbolic link, a FIFO, a directory, and a file that others may write are refused; nothing waits."""
    write_last_good(state, copy_of(state))
    state.last_good.chmod(0o620)
    with pytest.raises(StateError, match="other users may write to it"):
        read_last_good(state)
    state.last_good.chmod(0o600)
    moved = tmp_path / "elsewhere"
    state.last_good.rename(moved)
    state.last_good.symlink_to(moved)
    with pytest.raises(StateError, match="the copy cannot be read"):
        read_last_good(state)
    state.last_good.unlink()
    os.mkfifo(state.last_good)
    with pytest.raises(StateError, match="it is not a regular file"):
        read_last_good(state)
    state.last_good.unlink()
    state.last_good.mkdir()
    with pytest.raises(StateError, match="the copy cannot be"):
        read_last_good(state)


@pytest.mark.parametrize(
    "header",
    [
        b'{"entries": 0}',
        b'{"entries": 0, "certificate": 5, "expiry": []}',
        b'{"entries": 0, "certificate": "!", "expiry": 1}',
    ],
)
def test_a_header_without_a_certificate(state: StateDirectory, header: bytes) -> None:
    """A header that names no certificate is refused before a key is looked for."""
    state.last_good.touch(0o600)
    state.last_good.write_bytes(b"tvscopy1" + header + b"\nxx\0\2")
    with pytest.raises(StateError, match="its header is damaged"):
        read_last_good(state)


def test_an_elliptic_key_signs(state: StateDirectory) -> None:
    """A node whose TVS key is P-256 signs its copy too."""
    run_tvs("set", "cert", "regen", "TVS", "--key", "p256", "-y", "--force", "--state", state.path).check_returncode()
    copy = copy_of(state)
    write_last_good(state, copy)
    found = read_last_good(state)
    assert found is not None
    assert found.certificate == copy.certificate
