"""Private keys appear in no output, log, metric, page, file, process list or core file."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fixtures.processes import children
from tests.fixtures.running import PATIENCE, run_tvs
from tests.fixtures.secrets import ProcessList, files_below, forms_of, key_secrets, leaks
from tests.whole.strangers import ask
from tvs.identity import key_pem, make_key
from tvs.units import KeyType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

WITH_KEYS = """
init --state NEW --name pub --tvs-key p256 --json
set cert regen TVS --key p256 -y --json
set cert regen CallManager -y --force
set csr gen CAPF --json
set cert import own TVS CERTIFICATE --key KEY -y --json
set cert import own CAPF CERTIFICATE --key KEY -y --json
set cert restore CallManager -y --force --json
utils ctl update CTLFile -y --force --json
utils ctl reset localkey -y --force
show cert own TVS
show cert own CallManager --previous --json
show cert list own --long
run sql SQL
ctl plan
"""
"""Commands that make, read or change keys."""
WITH_A_KEY_FOR_SOMETHING_ELSE = """
set cert import trust Phone-trust KEY -y --json
set cert import own TVS KEY -y --json
set cert import own TVS CERTIFICATE --key BROKEN -y --json
set cert import own TVS CERTIFICATE --key LOCKED -y --json
show ctl KEY
ctl plan update --held KEY
query --server 127.0.0.1:1 --trust KEY --certificate KEY
query --server 127.0.0.1:1 --insecure --certificate KEY --json
phone boot --mac 001122334455 --model CP-8861 --state FLASH --from KEYS --lsc BROKEN --json
phone boot --mac 001122334455 --model CP-8861 --state FLASH --from TFTP --config KEY
replay --server 127.0.0.1:1 --trust KEY
replay --server 127.0.0.1:1 --insecure --from KEY
replay --server 127.0.0.1:1 --insecure --certificate KEY --key BROKEN
replay --server 127.0.0.1:1 --insecure --certificate CERTIFICATE --key KEY --ask KEY
utils ctl update CTLFile --token pkcs11:token=x --pin-file KEY -y
serve --check-config --config KEY
serve --check-config --client-certificates require --client-ca KEY
"""
"""Commands that are given a key file where something else belongs, or a damaged one: their errors do not quote it."""


@pytest.fixture
def words(state: StateDirectory, tmp_path: Path) -> dict[str, str]:
    """Files that stand for the words in capitals."""
    folder = tmp_path / "files"
    (folder / "keys").mkdir(parents=True)
    (tvs_key,) = state.keys.glob("TVS-*.key")
    files = {"KEY": folder / "key.pem", "BROKEN": folder / "broken.pem", "LOCKED": folder / "locked.pem"}
    files["KEY"].write_bytes(tvs_key.read_bytes())
    half = tvs_key.read_bytes().splitlines()
    files["BROKEN"].write_bytes(b"\n".join([*half[:9], *half[10:]]) + b"\n")
    files["LOCKED"].write_bytes(tvs_key.read_bytes().replace(b"PRIVATE", b"ENCRYPTED PRIVATE"))
    (folder / "keys" / "CTLFile.tlv").write_bytes(tvs_key.read_bytes())
    (folder / "keys" / "ITLFile.tlv").write_bytes(tvs_key.read_bytes())
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(run_tvs("show", "cert", "own", "TVS", "--pem", "--state", state.path).stdout)
    more = {"CERTIFICATE": certificate, "NEW": tmp_path / "new", "FLASH": tmp_path / "flash", "KEYS": folder / "keys"}
    names = {name: str(path) for name, path in (files | more).items()}
    return names | {"TFTP": str(state.tftp), "SQL": "select * from certificate"}


def test_the_search_finds_keys(tmp_path: Path) -> None:
    """What the tests below search for is in a key's own file, and in the notations of OpenSSL and Python."""
    for kind in (KeyType.RSA2048, KeyType.P256):
        key = make_key(kind)
        (tmp_path / "key.pem").write_bytes(key_pem(key))
        secrets = key_secrets([tmp_path / "key.pem"])
        found = leaks(secrets, dict(files_below(tmp_path)))
        assert any("PEM" in one for one in found)
        numbers = repr(key.private_numbers().d if kind is KeyType.RSA2048 else key.private_numbers().private_value)  # type: ignore[union-attr] # by kind
        assert any("decimal" in one for one in leaks(secrets, {"numbers": numbers.encode()}))
    assert len(forms_of("x", key)) > 10


@pytest.mark.parametrize("commands", [WITH_KEYS, WITH_A_KEY_FOR_SOMETHING_ELSE], ids=["right", "wrong"])
def test_commands(state: StateDirectory, tmp_path: Path, words: dict[str, str], commands: str) -> None:
    """No command prints a key or leaves it in another file than that of the key, whatever becomes of the command."""
    before = {path.name: path.read_bytes() for path in state.keys.glob("*.key")}
    outputs = {}
    environment = {
        "TVS_STATE": str(state.path),
        "TMPDIR": str(tmp_path),
        "PYTHONDEVMODE": "1",
        "XDG_STATE_HOME": str(tmp_path),
    }
    with ProcessList() as processes:
        for line in commands.strip().splitlines():
            done = run_tvs(*(words.get(word, word) for word in line.split()), environment=environment)
            outputs[line] = (done.stdout + done.stderr).encode()
            assert (done.returncode == 0) == (commands is WITH_KEYS), (line, done.stderr)
            assert "unrecognized arguments" not in done.stderr, line
            assert "Traceback" not in done.stderr, (line, done.stderr)
    keys = [path for folder in (state.keys, tmp_path / "new" / "keys") for path in folder.glob("*.key")]
    secrets = key_secrets(keys)
    (tmp_path / "old").mkdir()
    for name, data in before.items():
        (tmp_path / "old" / name).write_bytes(data)
    secrets |= key_secrets((tmp_path / "old").iterdir())
    own = {*keys, *(tmp_path / "old").iterdir(), *(tmp_path / "files").rglob("*")}
    assert leaks(secrets, outputs) == []
    assert leaks(secrets, dict(files_below(tmp_path, but=own))) == []
    assert leaks(secrets, processes.seen) == []


def test_service(state: StateDirectory, serve: Callable[..., Running], tmp_path: Path) -> None:
    """A service at debug, through handshakes, a reload with a new key, a refused reload and a worker's death."""
    metrics = tmp_path / "run"
    metrics.mkdir()
    first = list(state.keys.glob("TVS-*.key"))
    secrets = key_secrets(first)
    options = ("--workers", "2", "--log-file", str(tmp_path / "log"), "--tls-keylog", str(tmp_path / "keylog"))
    running = serve(*options, environment={"RUNTIME_DIRECTORY": str(metrics), "TMPDIR": str(tmp_path)})
    log = tmp_path / "log"
    running.log = log
    with ProcessList() as processes:
        assert asyncio.run(ask(running))
        assert run_tvs("set", "cert", "regen", "TVS", "-y", "--state", state.path).returncode == 0
        running.reload()
        running.wait_for_line("info reloaded")
        assert asyncio.run(ask(running))
        os.kill(children(running.process.pid)[0], signal.SIGABRT)
        running.wait_for_line("worker_died")
        (key,) = set(state.keys.glob("TVS-*.key")) - {
            path for path in state.keys.glob("TVS-*.key") if path.name in str(secrets)
        }
        secrets |= key_secrets([key])
        broken = key.read_bytes()
        key.write_bytes(broken[:-90])
        running.reload()
        running.wait_for_line("reload_refused")
        key.write_bytes(broken)
        pages = {path: _page(running, path) for path in ("/metrics", "/healthz", "/readyz", "/nowhere")}
        keys = [*state.keys.glob("*.key")]
        assert leaks(secrets, dict(files_below(tmp_path, but=keys))) == []
    assert running.stop() == 0
    assert leaks(secrets, pages) == []
    assert leaks(secrets, processes.seen) == []
    assert leaks(secrets, dict(files_below(tmp_path, but=keys))) == []


def _page(running: Running, path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://{running.admin}{path}", timeout=PATIENCE) as answer:
            body: bytes = answer.read()
    except urllib.error.HTTPError as error:
        with error:
            body = error.read()
    return body


@pytest.fixture
def cores() -> Iterator[None]:
    """Core files are allowed to processes that the test starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        pytest.skip("core files are forbidden to all processes here")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def _core_limit(process: int) -> int:
    (limit, _) = resource.prlimit(process, resource.RLIMIT_CORE)
    return limit


@pytest.mark.usefixtures("cores")
def test_no_process_leaves_a_core_file(serve: Callable[..., Running]) -> None:
    """Where core files are allowed, neither the service's processes nor a command leaves one.

    A limit of 1 byte is too small for a file, and the only one that holds for cores that are piped to a program.
    """
    running = serve("--workers", "2")
    processes = [running.process.pid, *children(running.process.pid)]
    assert len(processes) == 6  # supervisor, two workers, the admin process, the observer and the follower
    assert [_core_limit(process) for process in processes] == [1] * 6
    command = subprocess.Popen(
        [sys.executable, "-m", "tvs", "admin", "--state", str(running.state.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=running.state.path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    assert command.stdin is not None
    command.stdin.write(b"show nodes\n")
    command.stdin.flush()
    assert command.stdout is not None
    command.stdout.readline()
    command.send_signal(signal.SIGABRT)
    _, status = os.waitpid(command.pid, 0)
    assert (os.WTERMSIG(status), os.WCOREDUMP(status)) == (signal.SIGABRT, False)
    command.returncode = -signal.SIGABRT
    command.stdin.close()
    command.stdout.close()
    assert [path.name for path in running.state.path.iterdir() if "core" in path.name] == []
