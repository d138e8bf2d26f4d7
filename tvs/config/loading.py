"""Loading of settings from a TOML file, the environment and the command line.

The command line wins over the environment, the environment over the file. Every problem is reported at once, with
the key and its place; unknown keys are errors.
"""

from __future__ import annotations

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tvs.config.places import SETTINGS_FILE
from tvs.config.settings import SETTINGS, Config
from tvs.config.store import VARIABLE
from tvs.system.files import read_regular
from tvs.tls.profiles import ClientCertificates

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping
    from pathlib import Path

    from tvs.config.endpoint import Endpoint


ENVIRONMENT_PREFIX = "TVS_"
MAX_CONFIG_FILE = 1024 * 1024
"""Maximum size of a configuration file in bytes."""


class ConfigError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: one sentence each: key, place, what is wrong, what would be right.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


_READERS: dict[str, Callable[[object], Any]] = {setting.name: setting.metadata["read"] for setting in fields(Config)}
OTHER_VARIABLES = frozenset({"TVS_CONFIG"})
"""Variables with the prefix that are not settings."""


def load_config(
    options: Mapping[str, object], *, file: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Config:
    """Loads the settings. Raises `ConfigError` with every problem.

    Args:
        options: values from the command line by name; None: not given.
        file: TOML file. None: ``tvs.toml`` in the state directory, if it exists. The setting ``store`` comes from that
            one in any case, because commands read no other.
        environment: environment variables.
    """
    problems: list[str] = []
    values = _read_values(_from_environment(environment, problems), _variable, problems)
    given = {name: value for name, value in options.items() if value is not None}
    values |= _read_values(given, _option, problems)
    values = _read_files(file, _state_config(values.get("state")), problems) | values
    _check_together(values, problems)
    if problems:
        raise ConfigError(problems)
    return Config(**values)


def load_store(state: Path, environment: Mapping[str, str] = os.environ) -> str | None:
    """Loads the setting ``store`` as commands need it: from TVS_STORE, else from `tvs.toml` in the state directory.

    Values of other settings are not read, so that a command does not wait for a name server.

    Returns:
        The URL of the certificate database; None if neither names one.

    Raises:
        ConfigError: the value is not such a URL, the file cannot be read, or has keys that are not settings.
    """
    problems: list[str] = []
    if VARIABLE in environment:
        values = _read_values({"store": environment[VARIABLE]}, _variable, problems)
    else:
        own = _state_config(state)
        values = {} if own is None else _read_file(own, problems, ("store",))
    if problems:
        raise ConfigError(problems)
    return values.get("store")


def _variable(name: str) -> str:
    return f"environment variable {ENVIRONMENT_PREFIX}{name.upper()}"


def _option(name: str) -> str:
    return f"option --{name.replace('_', '-')}"


def _read_files(file: Path | None, own: Path | None, problems: list[str]) -> dict[str, Any]:
    """The settings of `file`, or of the state directory's `own` without one; the database is always that of `own`."""
    if file is None or (own is not None and file.exists() and file.samefile(own)):
        return {} if own is None else _read_file(own, problems)
    values = _read_file(file, problems)
    if values.pop("store", None) is not None:
        problems.append(
            f"{file}: key store: commands do not read this file; name the database in {SETTINGS_FILE} in the state "
            f"directory, or in {VARIABLE}"
        )
    return values if own is None else _read_file(own, problems, ("store",)) | values


def _read_file(path: Path, problems: list[str], names: Container[str] = _READERS) -> dict[str, Any]:
    """The settings with these names in a TOML file."""
    found = {name: value for name, value in _from_file(path, problems).items() if name in names}
    return _read_values(found, lambda name: f"{path}: key {name}", problems)


def _state_config(state: Path | None) -> Path | None:
    path = state / SETTINGS_FILE if state is not None else None
    return path if path is not None and path.exists() else None


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    ours = (v for v in environment if v.startswith(ENVIRONMENT_PREFIX) and v not in OTHER_VARIABLES)
    for variable in ours:
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name in _READERS:
            found[name] = environment[variable]
        else:
            problems.append(f"environment variable {variable} is not a setting{_suggestion(name)}")
    return found


def _from_file(path: Path, problems: list[str]) -> dict[str, object]:
    import tomllib  # noqa: PLC0415 - many state directories have no such file

    try:
        data = tomllib.loads(read_regular(path, MAX_CONFIG_FILE).decode())
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    except ValueError as error:  # TOML's and UTF-8's errors
        problems.append(f"{path}: is not TOML: {error}")
        return {}
    except RecursionError:
        problems.append(f"{path}: is nested too deeply; a setting is a text, a number or true or false")
        return {}
    problems.extend(f"{path}: key {name} is not a setting{_suggestion(name)}" for name in data if name not in _READERS)
    return {name: value for name, value in data.items() if name in _READERS}


def _suggestion(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

    close = get_close_matches(name.replace("-", "_"), SETTINGS, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _read_values(found: Mapping[str, object], place: Callable[[str], str], problems: list[str]) -> dict[str, Any]:
    """Reads values by name; `place` names the place of a setting in a problem's sentence."""
    values: dict[str, Any] = {}
    for name, value in found.items():
        try:
            values[name] = _READERS[name](value)
        except ValueError as error:
            problems.append(f"{place(name)}: {error}")
    return values


def _check_together(values: Mapping[str, Any], problems: list[str]) -> None:
    """Checks values that depend on each other, and those that only this machine can use."""
    if values.get("state") is None:
        problems.append("option --state: no state directory is given; write --state DIR or set TVS_STATE")
    required = values.get("client_certificates") is ClientCertificates.REQUIRE
    if required and values.get("client_ca") is None:
        problems.append("option --client-ca: client_certificates = require needs a PEM file of CAs")
    endpoints = {name: _unusable(values[name]) for name in ("listen", "admin") if name in values}
    problems.extend(f"option --{name}: {problem}" for name, problem in endpoints.items() if problem)


def _unusable(endpoint: Endpoint) -> str | None:
    import socket  # noqa: PLC0415 - most settings name no address

    try:
        socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return f"{endpoint.host} is not an address of this machine: {error.strerror}"
    return None
