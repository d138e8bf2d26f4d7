"""A race of root's commands with the service's user, in a process of its own: python -m tests.whole.race FOLDER …

While root runs commands, the user swaps names in the state directory: lists, databases, keys and whole directories
become symbolic links to root's files, directories, FIFOs and empty files for a moment. With ``tmpfs`` the state
directory is on a file system of its own, in a mount namespace of this process.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import shutil
import sys
from pathlib import Path

from tests.fixtures.users import as_user, copy_for_user
from tvs.cli.main import main

SECRET = b"a secret of root's"
CANNOT_MOUNT = 77
"""Exit status of a process that may not mount a file system."""
COMMANDS = (
    ("utils", "ctl", "update", "CTLFile", "-y", "--force"),
    ("show", "ctl"),
    ("set", "csr", "gen", "CAPF", "--key", "p256"),
    ("utils", "itl", "update", "ITLFile", "-y", "--force"),
    ("show", "cert", "own", "CAPF", "--previous"),
    ("set", "cert", "regen", "CallManager-ECDSA", "-y", "--force"),
    ("file", "delete", "tftp", "CTLFile.tlv", "-y", "--force"),
    ("show", "csr", "own", "CAPF"),
)
_NEWNS, _REC, _PRIVATE = 0x20000, 0x4000, 1 << 18
_SWAP = """
import itertools, random
state, secret, treasure, stop = sys.argv[4:8]
chance = random.Random(7)
files = ["lock", "CAPF.csr", "tvs.db-shm", "tvs.toml", "tftp/CTLFile.tlv", "tftp/CTLFile.tlv.1", "tftp/ITLFile.tlv",
         "tftp/.CTLFile.tlv.deleted", "cluster.json", "tftp", "keys"]
good = {name: open(os.path.join(state, name), "rb").read() for name in ["tftp/CTLFile.tlv", "tftp/ITLFile.tlv"]
        + [os.path.join("keys", key) for key in os.listdir(os.path.join(state, "keys"))]}
def remove(path):
    try:
        if os.path.isdir(path) and not os.path.islink(path):
            for name in os.listdir(path):
                os.unlink(os.path.join(path, name))
            os.rmdir(path)
        else:
            os.unlink(path)
    except OSError:
        pass
def swap(path):
    aside = path + "~"
    try:
        os.rename(path, aside)
    except OSError:
        aside = None
    kind = chance.randrange(4)
    try:
        if kind == 0: os.symlink(treasure if os.path.basename(path) in ("tftp", "keys") else secret, path)
        elif kind == 1: os.mkdir(path)
        elif kind == 2 and "tvs.db" not in path: os.mkfifo(path)
        else: open(path, "x").close()
    except OSError:
        pass
    time.sleep(chance.random() / 200)
    remove(path)
    if aside is not None:
        try:
            os.rename(aside, path)
        except OSError:
            pass
    for name, data in good.items():  # what became of swapped lists, keys and requests: the next command finds good ones
        path = os.path.join(state, name)
        try:
            if not os.path.isfile(path) or os.path.islink(path) or os.stat(path).st_size != len(data):
                remove(path)
                os.mkdir(os.path.dirname(path)) if not os.path.isdir(os.path.dirname(path)) else None
                os.close(os.open(path + ".good", os.O_CREAT | os.O_WRONLY, 0o600))
                with open(path + ".good", "wb") as file:
                    file.write(data)
                os.rename(path + ".good", path)
        except OSError:
            pass
    for name in ("CAPF.csr", "tftp/CTLFile.tlv.1", "lock"):
        path = os.path.join(state, name)
        if not os.path.isfile(path) or os.path.islink(path):
            remove(path)
def take_up():  # names that commands made for a moment
    for folder in ("tftp", "keys", "."):
        for name in os.listdir(os.path.join(state, folder)):
            if name.endswith(".new"):
                path = os.path.join(state, folder, name)
                try:
                    os.unlink(path)
                    os.symlink(secret, path)
                except OSError:
                    pass
count = 0
print("swapping", flush=True)
while not os.path.exists(stop):
    swap(os.path.join(state, chance.choice(files)))
    try:
        take_up()
    except OSError:
        pass
    count += 1
print(count, flush=True)
"""


def run(folder: Path, made: Path, runs: int, *, tmpfs: bool) -> dict[str, object]:
    """Runs commands of root while the user swaps; returns what became of root's files."""
    secret, treasure, stop = folder / "secret", folder / "treasure", folder / "stop"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    treasure.mkdir(mode=0o700)
    for name in ("CTLFile.tlv", "ITLFile.tlv", "x.key"):
        (treasure / name).write_bytes(SECRET)
    before = _all(treasure)
    home = folder / "home"
    home.mkdir(mode=0o755)
    if tmpfs:
        _mount(home)
    state = copy_for_user(made, home / "state")
    statuses: dict[int, int] = {}
    with as_user(_SWAP, state, secret, treasure, stop, stderr=None) as attacker:
        assert attacker.stdout is not None
        attacker.stdout.readline()
        errors = io.StringIO()
        for number in range(runs):
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
                status = main([*COMMANDS[number % len(COMMANDS)], "--state", str(state)])
            statuses[status] = statuses.get(status, 0) + 1
        stop.touch()
        swaps = int(attacker.stdout.readline())
    return {
        "statuses": statuses,
        "swaps": swaps,
        "secret": [secret.stat().st_uid, secret.stat().st_mode & 0o777, secret.read_bytes() == SECRET],
        "treasure": _all(treasure) == before,
        "copies": [str(path) for path in _regular(state) if SECRET in path.read_bytes()],
        "of root": [str(path) for path in state.rglob("*") if path.lstat().st_uid == 0],
        "printed": SECRET.decode() in errors.getvalue(),
    }


def _regular(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _all(folder: Path) -> list[tuple[str, int, int, bytes]]:
    return sorted((path.name, path.stat().st_uid, path.stat().st_mode, path.read_bytes()) for path in folder.iterdir())


def _mount(path: Path) -> None:
    """Mounts a tmpfs that only this process and its children see."""
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.unshare(_NEWNS) != 0
        or libc.mount(b"none", b"/", None, _REC | _PRIVATE, None) != 0
        or libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=64m,mode=755") != 0
    ):
        sys.stderr.write(f"mount: {os.strerror(ctypes.get_errno())}\n")
        sys.exit(CANNOT_MOUNT)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        outcome = run(place, Path(sys.argv[2]), int(sys.argv[3]), tmpfs=sys.argv[4] == "tmpfs")
    finally:
        shutil.rmtree(place / "home", ignore_errors=True)
    json.dump(outcome, sys.stdout)
