"""Settings from a file, the environment and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tvs.config.endpoint import Endpoint
from tvs.config.loading import ConfigError, default_state, load_config
from tvs.tls.profiles import TLSProfile

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.fixtures.running import Running
    from tvs.config.settings import Config
    from tvs.state import StateDirectory

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
    """Every problem is reported with its key and place, an unknown key with the one that was meant."""
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
        "key tls_profil is no setting; did you mean tls_profile?",
        "key max_connections: -1 is no whole number",
        "key log_format: 3 is none of trace, json, console",
        "key handshake_timeout: True is no number of seconds",
        "environment variable TVS_LISTN is no setting; did you mean listen?",
        "environment variable TVS_LOG_LEVEL: 'loud' is none of debug, info",
        "--client-ca: client_certificates = require needs",
        "option --listen: '127.0.0.1:99999' has no port between 0 and 65535",
    ):
        assert words in problems
    assert len(caught.value.problems) == 8


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a = ", "is no TOML"),
        ("\x00", "is no TOML"),
        ("[listen]\nport = 1\n", "is no text"),
        ("listen = 1\n", "is no text"),
    ],
)
def test_broken_files(tmp_path: Path, text: str, words: str) -> None:
    """A file that is no TOML, or has tables where values belong, is a problem with its place."""
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:0", Endpoint("127.0.0.1", 0)),
        ("[::1]:2445", Endpoint("::1", 2445)),
        ("example.com:65535", Endpoint("example.com", 65535)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    """A host and a port, IPv6 addresses in brackets; written back as read."""
    assert Endpoint.parse(text) == endpoint
    assert str(endpoint) == text


@pytest.mark.parametrize("text", ["", ":", "host", "host:", "host:-1", "host:65536", "[::1]", "ho st:1", "host:٣"])
def test_no_endpoints(text: str) -> None:
    """What is no host and port is refused with a sentence."""
    with pytest.raises(ValueError, match="write HOST:PORT"):
        Endpoint.parse(text)


def test_endpoint_with_a_default_port() -> None:
    """`--server HOST` means the service's usual port, for IPv6 addresses too."""
    assert Endpoint.parse("192.0.2.1", 2445) == Endpoint("192.0.2.1", 2445)
    assert Endpoint.parse("2001:db8::1", 2445) == Endpoint("2001:db8::1", 2445)
    assert Endpoint.parse("[2001:db8::1]", 2445) == Endpoint("2001:db8::1", 2445)


def test_default_state_directory(tmp_path: Path) -> None:
    """TVS_STATE comes first, then the systemd unit's directory."""
    assert default_state({"TVS_STATE": str(tmp_path), "STATE_DIRECTORY": "/x"}) == tmp_path
    assert default_state({"STATE_DIRECTORY": f"{tmp_path}:/other"}) == tmp_path


def test_check_config(tvs: Tvs, state: StateDirectory) -> None:
    """`--check-config` starts nothing: status 0 for good settings, 2 with every problem for others."""
    good = tvs("serve", "--state", str(state.path), "--check-config")
    assert good.returncode == 0
    assert "tls_profile" in good.stdout
    (state.path / "tvs.toml").write_text('lisen = "127.0.0.1:0"\nlog_level = "x"\n')
    bad = tvs("serve", "--state", str(state.path), "--check-config")
    assert bad.returncode == 2
    assert bad.stderr.count("\n") == 2
    assert "lisen" in bad.stderr


async def test_settings_of_the_state_directory(serve: Callable[..., Running], state: StateDirectory) -> None:
    """`tvs.toml` in the state directory is read without being named."""
    (state.path / "tvs.toml").write_text("time_to_live = 60\n")
    store = state.store()
    known = next(iter(store.entries(own=True))).certificate
    store.close()
    async with serve().client() as phone:
        answer = await phone.query(
            device="x", subject=known.subject_name, issuer=known.issuer_name, serial=known.serial_number
        )
    assert answer.time_to_live == 60


def test_port_in_use_is_said(tvs: Tvs, serve: Callable[..., Running], state: StateDirectory) -> None:
    """A port that is taken: one sentence and exit status 1."""
    service = serve()
    done = tvs("serve", "--state", str(state.path), "--listen", "127.0.0.1:0", "--admin", str(service.admin))
    assert done.returncode == 1
    assert f"cannot listen on {service.admin} for metrics: Address already in use" in done.stderr
