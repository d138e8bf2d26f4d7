"""Checks of everything that the settings name, before they are used: for a reload and for --check-config."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from certstore.errors import StoreError
from ctlcache.inspection import ACCEPTABLE, inspect_file
from ctlcache.keyfile import key_exposure
from tvs.admin.access import is_loopback
from tvs.admin.token import TokenError, read_token
from tvs.errors import StateError
from tvs.log.target import open_log_file
from tvs.server.credentials import Credentials, read_credentials
from tvs.state import StateDirectory
from tvs.system.exposure import exposures
from tvs.tls.keylog import open_keylog

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.config.endpoint import Endpoint
    from tvs.config.settings import Config


def examine(
    config: Config, read: Callable[[Config], Credentials] = read_credentials
) -> tuple[Credentials | None, list[str]]:
    """Reads the TLS credentials, and checks the CTL file and the files that are written to.

    Returns the credentials, None if they cannot be used, and a sentence for each problem. A missing CTL file is not
    one: clusters in non-secure mode have none. Log and TLS key log are opened, which creates them.

    Args:
        config: the settings.
        read: reads the credentials. Raises `StateError` and `StoreError`; what else it raises is not caught.
    """
    problems: list[str] = []
    credentials = None
    try:
        credentials = read(config)
    except (StateError, StoreError) as error:
        problems.append(str(error))
    inspection = inspect_file(config.ctl_path, config.time_to_live)
    if inspection is not None and inspection.state not in ACCEPTABLE:
        problems.append(f"{config.ctl_path}: the CTL file is {inspection.state}: {inspection.reason}")
    problems += _files_to_write(config)
    return credentials, problems


def warnings(config: Config) -> list[tuple[str, str]]:
    """What an administrator should mend: events for the log, each with a sentence.

    They stop neither a start nor a reload.
    """
    exposed = [("key_exposed", sentence) for sentence in _exposed_keys(config)]
    closed = _admin_closed(config)
    return exposed if closed is None else [*exposed, ("admin_closed", closed)]


def _exposed_keys(config: Config) -> list[str]:
    """A sentence, with the command that mends it, for each private key that other users can read or replace.

    Phones without TVS are worse off than phones whose TVS may be imitated.
    """
    state = StateDirectory.of(config)
    found = []
    try:
        owner = os.geteuid() or state.path.stat().st_uid  # root may work for another user
        for path in sorted((*state.keys.iterdir(), *state.unused_keys.glob("*.key"))):
            status = path.stat()
            if path.suffix == ".key" and (sentence := key_exposure(path, status)) is not None:
                found.append(sentence)
    except OSError:  # reported by `examine`, if it matters
        return found
    return [*found, *exposures(state.keys, owner)]


def _admin_closed(config: Config) -> str | None:
    """Why readers of the admin port are refused more than /healthz, and what to do; None if they are not.

    Phones do not need that port.
    """
    if config.admin_token_file is None:
        if _on_loopback(config.admin):
            return None
        return (
            f"admin = {config.admin} is reached from other machines, which may read /healthz only: "
            "admin_token_file names no file with a token that they could show"
        )
    try:
        read_token(config.admin_token_file)
    except TokenError as error:
        return f"the admin port answers /healthz only: {error}"
    return None


def _on_loopback(admin: Endpoint) -> bool:
    try:
        found = socket.getaddrinfo(admin.host, admin.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:  # what listens there was found at the start
        return True
    return all(is_loopback(str(address[0])) for *_, address in found)


def _files_to_write(config: Config) -> list[str]:
    problems = []
    try:
        if config.log_file is not None:
            os.close(open_log_file(config.log_file))
    except OSError as error:
        problems.append(f"{config.log_file}: the log cannot be written: {error.strerror}")
    try:
        if config.tls_keylog is not None:
            open_keylog(config.tls_keylog)
    except OSError as error:
        problems.append(f"{config.tls_keylog}: the TLS key log cannot be written: {error.strerror}")
    return problems
