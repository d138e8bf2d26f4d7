"""A kill at any moment, a full disk, two administrators at once: the lists stay whole."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from certstore.purposes import Purpose
from ctlcache.trustlist import parse_trust_list
from ctlcache.verification import verify
from tests.fixtures.running import PATIENCE
from tvs.errors import StateError

if TYPE_CHECKING:
    from pathlib import Path

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ("utils ctl update CTLFile -y", 8),
        ("utils ctl set-cluster non-secure-mode -y", 6),
        ("set cert regen CallManager -y", 6),
        ("set cert regen TVS --key p256 -y", 6),
        ("set csr gen TVS --key p256", 6),
        ("set cert import trust Phone-trust FILE", 4),
        ("set phones tls1.0", 4),
        ("set signer ITLRecovery", 6),
        ("set digest sha256", 6),
    ],
)
def test_a_kill_at_any_step(made: Path, tmp_path: Path, stranger: KeyFileSigner, words: str, steps: int) -> None:
    """Killed at each of its steps in turn, a command leaves lists and keys whole, and no phone lost."""
    file = tmp_path / "stranger.cer"
    file.write_bytes(stranger.certificate)
    command = [sys.executable, "-m", "tests.manage.kill_each", str(made), str(tmp_path / "work")]
    command += words.replace("FILE", str(file)).split()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= steps, "the command took that many steps on the disk"


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        *(("utils ctl update CTLFile", limit) for limit in (0, 1024, 2048, 4096)),  # with more there is room for a list
        *(("set cert regen TVS --key p256", limit) for limit in (0, 1024, 2048, 4096, 16_384)),
    ],
)
def test_a_full_disk(admin: Administrator, command: str, limit: int) -> None:
    """If files cannot grow any more, the command says so and nothing is different."""
    words = command.split()
    before = admin.situation()
    keys = {path.name for path in admin.state.keys.iterdir()}

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-m", "tvs", *words, "-y", "--state", str(admin.state.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        preexec_fn=full,
    )  # the limit is for the child alone
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert admin.situation() == before
    assert not list(admin.state.path.rglob(".*.new"))
    assert admin.key(Purpose.TVS).key_size
    for name in ("ctl", "itl"):
        admin.does("show", name)
    admin.does(*words, "-y")
    assert keys <= {path.name for path in admin.state.keys.iterdir()}


def test_what_was_there_is_kept(admin: Administrator) -> None:
    """Each list that is replaced stays as NAME.1, the one before as NAME.2, up to NAME.5."""
    path = admin.state.ctl_file
    lists = [path.read_bytes()]
    for digest in ("sha1", "sha256", "sha512", "sha1", "sha256", "sha512"):
        admin.does("set", "digest", digest)
        lists.insert(0, path.read_bytes())
    kept = [path.with_name(f"{path.name}.{number}").read_bytes() for number in range(1, 6)]
    assert kept == lists[1:6]
    assert not path.with_name(f"{path.name}.6").exists()
    admin.does("file", "delete", "tftp", "CTLFile.tlv", "-y")
    assert path.with_name(f"{path.name}.1").read_bytes() == lists[0]


def test_a_second_administrator_waits(admin: Administrator) -> None:
    """A command that starts while another one is at work ends after it, and does its own work."""
    before = admin.state.ctl_file.read_bytes()
    done = []
    second = threading.Thread(target=lambda: done.append(admin("utils", "ctl", "update", "CTLFile", "-y")))
    with admin.state.lock():
        second.start()
        second.join(0.5)
        assert second.is_alive()
        assert admin.state.ctl_file.read_bytes() == before
    second.join(PATIENCE)
    assert done[0].status == 0, done[0].err


def test_a_second_administrator_is_refused(admin: Administrator) -> None:
    """A command that would have to wait too long fails with a sentence."""
    with admin.state.lock(), pytest.raises(StateError, match="try again when it has ended"), admin.state.lock(0.1):
        pass


def test_many_administrators(admin: Administrator) -> None:
    """Commands at the same time follow one another: the list that each of them wrote is whole, and kept."""
    command = [sys.executable, "-m", "tvs", "set", "digest", "--state", str(admin.state.path)]
    started = [
        subprocess.Popen([*command, digest], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for digest in ("sha1", "sha256", "sha512")
    ]
    results = [process.communicate(timeout=PATIENCE) for process in started]
    assert [process.returncode for process in started] == [0] * 3, results
    lists = [file.read_bytes() for file in admin.state.tftp.glob("CTLFile.tlv*")]
    assert all(verify(data).ok for data in lists)
    assert {parse_trust_list(data).header.digest for data in lists} == {1, 2, 3}
