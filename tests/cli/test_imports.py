"""Modules that commands import: a command starts quickly if it imports only what it uses."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tvs.cli.dispatch import COMMANDS

if TYPE_CHECKING:
    from tvs.state import StateDirectory

_RUNNING = {"asyncio", "structlog", "rich", "prometheus_client", "aiohttp", "hdrh", "multiprocessing", "logging"}
"""Packages that cost much of a command's start, and that are for running services and clients."""
_CERTIFICATES = {"cryptography.x509", "cryptography.hazmat.primitives.serialization", "email"}
"""What reads certificates and keys."""
_TLS = {"OpenSSL", "ssl", "socket"}
_FILES = {"tempfile", "sqlite3", "tomllib", "json"}
"""What commands on a state directory need, and help texts do not."""
_PHONES = {"proto.messages", "tvs.phone.models", "tvs.phone.reports"}
"""What the emulator and plans need."""
_TOKENS = {"tvs.cluster.tokens", "ctlcache.pkcs11.module", "ctlcache.pkcs11.uri", "subprocess"}
_OWN = {"tvs.cluster.certificates", "tvs.cluster.previous", "tvs.cluster.imports", "tvs.cluster.trusted"}
"""Changes of certificates."""
_PROGRAM = """\
import sys
from tvs.cli.main import main
try:
    status = main(sys.argv[2:])
except SystemExit as end:
    status = end.code
sys.stdout.flush()
ours = sum(name.partition(".")[0] in ("tvs", "certstore", "ctlcache", "proto") for name in sys.modules)
loaded = " ".join(sorted(set(sys.argv[1].split()) & set(sys.modules)))
sys.stderr.write(f"{loaded}\\n{ours} {len(sys.modules)}")
sys.exit(status)
"""


def _imported(words: list[str], watched: set[str]) -> tuple[str, int]:
    """Which of the watched modules a command imports, and how many of the project's it imports."""
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, " ".join(watched), *words], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    found, counts = ended.stderr.split("\n")
    return found, int(counts.split()[0])


@pytest.mark.parametrize(
    "command",
    [
        "show ctl",
        "show cert own TVS",
        "ctl plan",
        "set phones with-tvs",
        "utils itl update ITLFile --yes",
    ],
)
def test_commands_import_nothing_heavy(state: StateDirectory, command: str) -> None:
    """Commands on a state directory import neither an event loop nor the libraries of the service and the clients."""
    found, _ = _imported([*shlex.split(command), "--state", str(state.path)], _RUNNING | {"OpenSSL"})
    assert found == ""


@pytest.mark.parametrize(
    "command", ["show nodes", "show phones", "show cluster", "show cert list own", "run sql 'select 1'"]
)
def test_commands_that_read_the_database_decode_no_certificate(state: StateDirectory, command: str) -> None:
    """Commands that print what the database has in columns do not import what decodes certificates and speaks TLS."""
    found, _ = _imported(
        [*shlex.split(command), "--state", str(state.path)],
        _RUNNING | _CERTIFICATES | _TLS | _PHONES | {"tempfile", "tomllib", "shutil"},
    )
    assert found == ""


@pytest.mark.parametrize(
    ("command", "others", "most"),
    [
        ("ctl plan", _OWN | {"tvs.cluster.commit", "tvs.identity", "ctlcache.builder", "shutil", "tomllib"}, 158),
        ("ctl plan regen CAPF", {"tvs.cluster.commit", "tvs.cluster.previous", "shutil", "tomllib"}, 164),
        ("set phones with-tvs", _OWN | {"ctlcache.builder", "tomllib"}, 168),
        ("utils itl update ITLFile --yes", _OWN, 167),
    ],
)
def test_changes_import_only_themselves(state: StateDirectory, command: str, others: set[str], most: int) -> None:
    """A plan imports the change that it is of, neither other changes nor commits; nothing imports tokens unasked."""
    found, ours = _imported([*shlex.split(command), "--state", str(state.path)], _TOKENS | others)
    assert found == ""
    assert ours < most


@pytest.mark.parametrize(
    "command",
    [
        "--help",
        *(f"{word} --help" for word in COMMANDS),
        *(f"show {what} --help" for what in ("nodes", "ctl", "cert", "csr", "tls-profile", "tokens", "cluster")),
        *("phone boot --help", "replay record --help", "set cert --help", "ctl plan --help", "utils ctl --help"),
        *("phone models", "man"),
    ],
)
def test_help_imports_nothing_heavy(command: str) -> None:
    """Help texts and the manual page are made from the command line's own modules, all of them light."""
    phones = set() if command == "phone models" else _PHONES
    found, ours = _imported(command.split(), _RUNNING | _CERTIFICATES | _TLS | _FILES | phones | {"shutil"})
    assert found == ""
    assert ours < 106


def test_the_version_imports_no_command() -> None:
    """`tvs --version` prints it without the modules of the commands."""
    found, ours = _imported(["--version"], _RUNNING | _CERTIFICATES | _TLS | _FILES | {"tvs.cli.show", "tvs.cli.serve"})
    assert found == ""
    assert ours < 30
