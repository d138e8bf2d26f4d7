"""Settings from a file, the environment and the command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tvs.config.loading import MAX_CONFIG_FILE, ConfigError, load_config
from tvs.config.places import default_state
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tvs.config.settings import Config

    Tvs = Callable[..., subprocess.CompletedProcess[str]]


def load(tmp_path: Path, text: str = "", environment: dict[str, str] | None = None, **options: object) -> Config:
    """Settings from a file with this text, this environment and these options."""
    file = tmp_path / "tvs.toml"
    file.write_text(text)
    return load_config({"state": str(tmp_path), **options}, file=file, environment=environment or {})


def test_options_win_over_variables_over_the_file(tmp_path: Path) -> None:
    """The command line wins over the environment, the environment over the file."""
    config = load(
        tmp_path,
        'tls_profile = "modern"\nmax_connections = 5\nrequest_timeout = 2\n',
        {"TVS_TLS_PROFILE": "legacy", "TVS_MAX_CONNECTIONS": "6", "HOME": "/"},
        max_connections="7",
    )
    assert (config.tls_profile, config.max_connections, config.request_timeout) == (TLSProfile.LEGACY, 7, 2.0)
    assert (str(config.listen), str(config.admin)) == ("0.0.0.0:2445", "127.0.0.1:9445")


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Every problem is reported with its key and place, an unknown key with a similar one."""
    with pytest.raises(ConfigError) as caught:
        load(
            tmp_path,
            'tls_profil = "modern"\nmax_connections = -1\nlog_format = 3\nhandshake_timeout = true\n',
            {"TVS_LISTN": "x", "TVS_LOG_LEVEL": "loud"},
            client_certificates="require",
            listen="127.0.0.1:99999",
        )
    problems = "\n".join(caught.value.problems)
    for words in (
        "key tls_profil is not a setting; did you mean tls_profile?",
        "key max_connections: -1 is not a whole number",
        "key log_format: 3 is not one of trace, json, console",
        "key handshake_timeout: True is not a number of seconds",
        "environment variable TVS_LISTN is not a setting; did you mean listen?",
        "environment variable TVS_LOG_LEVEL: 'loud' is not one of debug, info",
        "--client-ca: client_certificates = require needs",
        "option --listen: '127.0.0.1:99999' has no port between 0 and 65535",
    ):
        assert words in problems
    assert len(caught.value.problems) == 8


def test_file_name_with_braces(tmp_path: Path) -> None:
    """Any file name can stand in a problem's sentence."""
    folder = tmp_path / "{0} {name}"
    folder.mkdir()
    with pytest.raises(ConfigError) as caught:
        load(folder, "workers = 0\n")
    assert caught.value.problems == [f"{folder / 'tvs.toml'}: key workers: 0 is not a whole number from 1 to 256"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = ", "is not TOML"),
        ("\x00", "is not TOML"),
        ("[listen]\nport = 1\n", "is not a text"),
        ("listen = 1\n", "is not a text"),
        (f"listen = {'[' * 2000}{']' * 2000}\n", "nested too deeply"),
        (f"# {'x' * MAX_CONFIG_FILE}\nlisten = 1\n", f"more than {MAX_CONFIG_FILE} bytes"),
    ],
    ids=lambda value: value[:20].encode("ascii", "backslashreplace").decode(),
)
def test_broken_files(tmp_path: Path, text: str, words: str) -> None:
    """A file that is not TOML, or has tables in the place of values, is a problem with its place."""
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, text)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    """A FIFO, which would wait for its writer, and a device without an end are problems."""
    file = tmp_path / "settings"
    if kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="settings: cannot be read: it is not a regular file"):
        load_config({"state": str(tmp_path)}, file=file, environment={})


def test_default_state_directory(tmp_path: Path) -> None:
    """TVS_STATE comes first, then the systemd unit's directory."""
    assert default_state({"TVS_STATE": str(tmp_path), "STATE_DIRECTORY": "/x"}) == tmp_path
    assert default_state({"STATE_DIRECTORY": f"{tmp_path}:/other"}) == tmp_path
