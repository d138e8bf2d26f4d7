"""The service's settings: one frozen dataclass from a TOML file, the environment and the command line.

The command line wins over the environment, the environment over the file. Every problem is reported at once, with
the key and where it stands; unknown keys are errors.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proto.messages import DEFAULT_TIME_TO_LIVE
from tvs.log import LEVELS, LogFormat
from tvs.tls import ClientCertificates, TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import StrEnum

ENVIRONMENT_PREFIX = "TVS_"
DEFAULT_PORT = 2445
"""The Trust Verification Service's TCP port."""
MAX_WORKERS = 256
MAX_CONFIG_FILE = 1024 * 1024
"""Bytes of a configuration file that are read."""


class ConfigError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: one sentence each: the key, where it stands, what is wrong, what would be right.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a TCP port.

    Attributes:
        host: name or IP address, without brackets.
        port: 0 to 65,535; 0 is any free one.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> Endpoint:
        """``HOST:PORT``, ``[IPv6]:PORT``, and where there is a default port also without one. Raises `ValueError`."""
        host, port = _split_endpoint(text.strip())
        if not host or any(char.isspace() for char in host):
            raise ValueError(f"{text!r} names no host; write HOST:PORT or [IPv6]:PORT")
        if not port and default_port is not None:
            return cls(host, default_port)
        if not (port.isascii() and port.isdigit()) or int(port) > 0xFFFF:
            raise ValueError(f"{text!r} has no port between 0 and 65535; write HOST:PORT or [IPv6]:PORT")
        return cls(host, int(port))


def _split_endpoint(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    try:
        return str(ipaddress.IPv6Address(text)), ""
    except ValueError:
        host, _, port = text.rpartition(":") if ":" in text else (text, "", "")
        return host, port


# -- readers of one value: from TOML, an environment variable or an option, which are text --------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text")  # noqa: TRY004 - a setting's value, reported with its key
    return value


def _endpoint(value: object) -> Endpoint:
    return Endpoint.parse(_text(value))


def _path(value: object) -> Path:
    if not (text := _text(value)):
        raise ValueError("the path is empty")
    return Path(text).expanduser()


def _choice(kind: type[StrEnum]) -> Callable[[object], StrEnum]:
    def read(value: object) -> StrEnum:
        try:
            return kind(_text(value))
        except ValueError:
            raise ValueError(f"{value!r} is none of {', '.join(kind)}") from None

    return read


def _level(value: object) -> str:
    if value not in LEVELS:
        raise ValueError(f"{value!r} is none of {', '.join(LEVELS)}")
    return str(value)


def _number(low: int, high: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        text = str(value)
        if isinstance(value, bool) or not (text.isascii() and text.isdigit()) or not low <= int(text[:20]) <= high:
            raise ValueError(f"{value!r} is no whole number from {low} to {high}")
        return int(text)

    return read


def _seconds(low: float, high: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        try:
            number = float(value) if not isinstance(value, bool) else -1.0  # type: ignore[arg-type] # checked here
        except (TypeError, ValueError):
            number = -1.0
        if not low <= number <= high:
            raise ValueError(f"{value!r} is no number of seconds from {low:g} to {high:g}")
        return number

    return read


def _setting(read: Callable[[object], Any], default: Any, text: str, **extra: Any) -> Any:
    """A field with its reader and the sentence that help texts show."""
    return field(default=default, metadata={"read": read, "help": text, **extra})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. Names are those of the TOML keys, of `--options` (with hyphens) and of ``TVS_…`` variables."""

    state: Path = _setting(_path, None, "the state directory", metavar="DIR")
    listen: Endpoint = _setting(
        _endpoint,
        Endpoint("0.0.0.0", DEFAULT_PORT),  # noqa: S104 - phones are everywhere
        "where phones connect",
        metavar="HOST:PORT",
    )
    admin: Endpoint = _setting(
        _endpoint,
        Endpoint("127.0.0.1", 9445),
        "where /metrics, /healthz and /readyz are served",
        metavar="HOST:PORT",
    )
    workers: int | None = _setting(
        _number(1, MAX_WORKERS), None, "worker processes (default: one for each processor)", metavar="N"
    )
    worker_timeout: float = _setting(
        _seconds(1, 600),
        10.0,
        "seconds without a sign of life after which a worker is replaced",
        metavar="SECONDS",
    )
    tls_profile: TLSProfile = _setting(
        _choice(TLSProfile), TLSProfile.COMPATIBLE, "which phones are served", choices=list(TLSProfile)
    )
    client_certificates: ClientCertificates = _setting(
        _choice(ClientCertificates),
        ClientCertificates.REQUEST,
        "what is asked of a phone's own certificate",
        choices=list(ClientCertificates),
    )
    client_ca: Path | None = _setting(
        _path, None, "PEM file of the CAPF and manufacturing CAs, for 'require'", metavar="FILE"
    )
    tls_keylog: Path | None = _setting(
        _path,
        None,
        "append the TLS secrets of every connection to this file, for Wireshark; never in production",
        metavar="FILE",
    )
    ctl_file: Path | None = _setting(
        _path,
        None,
        "the CTL file to watch, when it is not tftp/CTLFile.tlv in the state directory",
        metavar="FILE",
    )
    time_to_live: int = _setting(
        _number(1, 0xFFFF_FFFF),
        DEFAULT_TIME_TO_LIVE,
        "seconds for which phones keep an answer, where a certificate has no time of its own",
        metavar="SECONDS",
    )
    log_level: str = _setting(_level, "info", "lowest level that is logged", choices=list(LEVELS))
    log_format: LogFormat = _setting(_choice(LogFormat), LogFormat.TRACE, "form of the log", choices=list(LogFormat))
    log_file: Path | None = _setting(_path, None, "log to this file, not to standard error", metavar="FILE")
    max_connections: int = _setting(_number(1, 1_000_000), 10_000, "open connections at the most", metavar="N")
    max_half_open: int = _setting(
        _number(1, 1_000_000),
        2_000,
        "connections still in the handshake at the most (49 KiB each)",
        metavar="N",
    )
    max_per_address: int = _setting(
        _number(0, 1_000_000),
        0,
        "connections from one address at the most in each worker, 0: no limit (a site can be one NAT address)",
        metavar="N",
    )
    handshake_timeout: float = _setting(_seconds(0.1, 600), 5.0, "seconds for the TLS handshake", metavar="SECONDS")
    request_timeout: float = _setting(_seconds(0.1, 600), 5.0, "seconds to wait for a request", metavar="SECONDS")
    write_timeout: float = _setting(_seconds(0.1, 600), 5.0, "seconds for an answer to be taken", metavar="SECONDS")
    connection_timeout: float = _setting(
        _seconds(0.1, 86_400), 10.0, "seconds for a whole connection", metavar="SECONDS"
    )
    linger_timeout: float = _setting(
        _seconds(0, 60), 1.0, "seconds to wait for the phone's end after our own", metavar="SECONDS"
    )
    drain_timeout: float = _setting(
        _seconds(0, 600),
        10.0,
        "seconds for open connections to end when the service stops",
        metavar="SECONDS",
    )

    @property
    def ctl_path(self) -> Path:
        """The CTL file that is watched."""
        return self.ctl_file or self.state / "tftp" / "CTLFile.tlv"

    @property
    def worker_count(self) -> int:
        """The number of worker processes: as set, else one for each processor that this process may use."""
        return self.workers or min(MAX_WORKERS, len(os.sched_getaffinity(0)))

    def share(self, limit: int) -> int:
        """One worker's part of a limit that is meant for the whole service, at least 1."""
        return -(-limit // self.worker_count)


def setting_help(name: str) -> Mapping[str, Any]:
    """Help text, choices, metavar and default of a setting, for an option of the same name."""
    for setting in fields(Config):
        if setting.name == name:
            return {**setting.metadata, "default": setting.default}
    raise KeyError(name)


SETTINGS = tuple(setting.name for setting in fields(Config))
_READERS: dict[str, Callable[[object], Any]] = {setting.name: setting.metadata["read"] for setting in fields(Config)}
OTHER_VARIABLES = frozenset({"TVS_CONFIG"})
"""Variables with our prefix that are no settings."""


def load_config(
    options: Mapping[str, object], *, file: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Config:
    """Puts the settings together. Raises `ConfigError` with every problem.

    Args:
        options: values from the command line by name; None is not given.
        file: TOML file. None: ``tvs.toml`` in the state directory, where there is one.
        environment: environment variables.
    """
    problems: list[str] = []
    values = _read_values(_from_environment(environment, problems), "environment variable TVS_{upper}", problems)
    given = {name: value for name, value in options.items() if value is not None}
    values |= _read_values(given, "option --{hyphen}", problems)
    path = file or _state_config(values.get("state"))
    if path is not None:
        values = _read_values(_from_file(path, problems), f"{path}: key {{name}}", problems) | values
    _check_together(values, problems)
    if problems:
        raise ConfigError(problems)
    return Config(**values)


def _state_config(state: Path | None) -> Path | None:
    path = state / "tvs.toml" if state is not None else None
    return path if path is not None and path.exists() else None


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    ours = (v for v in environment if v.startswith(ENVIRONMENT_PREFIX) and v not in OTHER_VARIABLES)
    for variable in ours:
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name in _READERS:
            found[name] = environment[variable]
        else:
            problems.append(f"environment variable {variable} is no setting{_suggestion(name)}")
    return found


def _from_file(path: Path, problems: list[str]) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            data = tomllib.loads(file.read(MAX_CONFIG_FILE).decode())
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    except ValueError as error:  # TOML's and UTF-8's errors
        problems.append(f"{path}: is no TOML: {error}")
        return {}
    problems.extend(f"{path}: key {name} is no setting{_suggestion(name)}" for name in data if name not in _READERS)
    return {name: value for name, value in data.items() if name in _READERS}


def _suggestion(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

    close = get_close_matches(name.replace("-", "_"), SETTINGS, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _read_values(found: Mapping[str, object], where: str, problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in found.items():
        try:
            values[name] = _READERS[name](value)
        except ValueError as error:
            place = where.format(name=name, upper=name.upper(), hyphen=name.replace("_", "-"))
            problems.append(f"{place}: {error}")
    return values


def _check_together(values: Mapping[str, Any], problems: list[str]) -> None:
    """What only shows when all values are known."""
    if values.get("state") is None:
        problems.append("option --state: no state directory is given; write --state DIR or set TVS_STATE")
    required = values.get("client_certificates") is ClientCertificates.REQUIRE
    if required and values.get("client_ca") is None:
        problems.append("option --client-ca: client_certificates = require needs a PEM file of CAs")
    endpoints = {name: _unusable(values[name]) for name in ("listen", "admin") if name in values}
    problems.extend(f"option --{name}: {problem}" for name, problem in endpoints.items() if problem)


def _unusable(endpoint: Endpoint) -> str | None:
    try:
        socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return f"{endpoint.host} is no address of this machine: {error.strerror}"
    return None


def default_state(environment: Mapping[str, str] = os.environ) -> Path:
    """Where commands look for the state directory: TVS_STATE, the systemd unit's, the system's, the user's."""
    for variable in ("TVS_STATE", "STATE_DIRECTORY"):  # the second is set by systemd for StateDirectory=
        if value := environment.get(variable):
            return Path(value.split(":")[0]).expanduser()
    system = Path("/var/lib/tvs")
    if system.is_dir() or os.geteuid() == 0:
        return system
    home = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "tvs"
