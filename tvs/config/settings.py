"""The service's settings: one frozen dataclass, each field with its reader and its help text."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from proto.defaults import DEFAULT_TIME_TO_LIVE
from tvs.config.endpoint import DEFAULT_PORT, Endpoint
from tvs.config.places import DATABASE_FILE
from tvs.config.store import read_store
from tvs.config.values import (
    read_choice,
    read_directories,
    read_endpoint,
    read_level,
    read_number,
    read_path,
    read_seconds,
    read_switch,
)
from tvs.log.levels import LEVELS, LogFormat
from tvs.tls.profiles import ClientCertificates, TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAX_WORKERS = 256
"""Worker processes, at most: the board has room for the status of so many."""


def _setting(read: Callable[[object], Any], default: Any, text: str, **extra: Any) -> Any:
    """A field with its reader and its help text."""
    return field(default=default, metadata={"read": read, "help": text, **extra})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings. Field names are those of TOML keys, options (with hyphens) and ``TVS_…`` variables."""

    state: Path = _setting(read_path, None, "the state directory", metavar="DIR")
    store: str | None = _setting(
        read_store,
        None,
        "URL of the certificate database, without a password, if it is not tvs.db in the state directory",
        metavar="URL",
        of_service=False,
    )
    listen: Endpoint = _setting(
        read_endpoint,
        Endpoint("0.0.0.0", DEFAULT_PORT),  # noqa: S104 - phones are everywhere
        "address and port for phones",
        metavar="HOST:PORT",
    )
    admin: Endpoint = _setting(
        read_endpoint,
        Endpoint("127.0.0.1", 9445),
        "address and port of /metrics, /healthz and /readyz",
        metavar="HOST:PORT",
    )
    admin_token_file: Path | None = _setting(
        read_path,
        None,
        "file with the token that readers of the admin port show; other machines need one",
        metavar="FILE",
    )
    workers: int | None = _setting(
        read_number(1, MAX_WORKERS), None, "worker processes (default: one for each processor)", metavar="N"
    )
    worker_timeout: float = _setting(
        read_seconds(1, 600),
        10.0,
        "seconds without a sign of life after which a worker is replaced",
        metavar="SECONDS",
    )
    tls_profile: TLSProfile = _setting(
        read_choice(TLSProfile), TLSProfile.COMPATIBLE, "phones that are served", choices=list(TLSProfile)
    )
    client_certificates: ClientCertificates = _setting(
        read_choice(ClientCertificates),
        ClientCertificates.REQUEST,
        "whether phones are asked for a certificate of their own",
        choices=list(ClientCertificates),
    )
    client_ca: Path | None = _setting(
        read_path, None, "PEM file of the CAPF and manufacturing CAs, for 'require'", metavar="FILE"
    )
    tls_keylog: Path | None = _setting(
        read_path,
        None,
        "append the TLS secrets of every connection to this file, for Wireshark; not in production",
        metavar="FILE",
    )
    ctl_file: Path | None = _setting(
        read_path,
        None,
        "the CTL file to watch, if it is not tftp/CTLFile.tlv in the state directory",
        metavar="FILE",
    )
    publish: tuple[Path, ...] = _setting(
        read_directories,
        (),
        "directories into which each change of the trust lists is put, see tvs publish",
        metavar="DIR[:DIR]",
        of_service=False,
    )
    time_to_live: int = _setting(
        read_number(1, 0xFFFF_FFFF),
        DEFAULT_TIME_TO_LIVE,
        "seconds for which phones keep an answer, unless the certificate has a time of its own",
        metavar="SECONDS",
    )
    log_level: str = _setting(read_level, "info", "lowest level that is logged", choices=list(LEVELS))
    log_format: LogFormat = _setting(
        read_choice(LogFormat), LogFormat.TRACE, "form of the log", choices=list(LogFormat)
    )
    log_file: Path | None = _setting(read_path, None, "log to this file, not to standard error", metavar="FILE")
    observe: bool = _setting(
        read_switch,
        True,
        "whether the last queries and the signers that phones asked about are kept in memory, for tvs show status",
        metavar="true|false",
    )
    fleet: bool = _setting(
        read_switch,
        True,
        "whether each phone is recorded in the database, for tvs show phones; needs observe",
        metavar="true|false",
    )
    fleet_days: int = _setting(
        read_number(1, 3650),
        730,
        "days for which a phone that does not ask any more stays recorded (a healthy one asks after changes only)",
        metavar="DAYS",
    )
    max_connections: int = _setting(read_number(1, 1_000_000), 10_000, "open connections, at most", metavar="N")
    max_half_open: int = _setting(
        read_number(1, 1_000_000),
        2_000,
        "connections in the TLS handshake, at most (each takes 17 to 93 KiB, by what the client has sent)",
        metavar="N",
    )
    max_queue_delay: float = _setting(
        read_seconds(0, 60),
        0.2,
        "seconds of work that may wait for a worker before new phones are turned away; 0: no limit",
        metavar="SECONDS",
    )
    max_per_address: int = _setting(
        read_number(0, 1_000_000),
        0,
        "connections from one address in each worker, at most; 0: no limit (a site can be one NAT address)",
        metavar="N",
    )
    handshake_timeout: float = _setting(read_seconds(0.1, 600), 5.0, "seconds for the TLS handshake", metavar="SECONDS")
    request_timeout: float = _setting(read_seconds(0.1, 600), 5.0, "seconds to wait for a request", metavar="SECONDS")
    write_timeout: float = _setting(read_seconds(0.1, 600), 5.0, "seconds for an answer to be taken", metavar="SECONDS")
    connection_timeout: float = _setting(
        read_seconds(0.1, 86_400), 10.0, "seconds for a whole connection", metavar="SECONDS"
    )
    linger_timeout: float = _setting(
        read_seconds(0, 60), 1.0, "seconds to wait for the phone's close after the service's own", metavar="SECONDS"
    )
    drain_timeout: float = _setting(
        read_seconds(0, 600),
        10.0,
        "seconds for open connections to end when the service stops",
        metavar="SECONDS",
    )

    @property
    def database(self) -> str:
        """The certificate database: the URL that names it, or the path of the file in the state directory."""
        return self.store or str(self.state / DATABASE_FILE)

    @property
    def ctl_path(self) -> Path:
        """The CTL file that is watched."""
        return self.ctl_file or self.state / "tftp" / "CTLFile.tlv"

    @property
    def worker_count(self) -> int:
        """Number of worker processes: as set, else one for each processor that this process may use."""
        return self.workers or min(MAX_WORKERS, len(os.sched_getaffinity(0)))

    @property
    def limits(self) -> dict[str, int]:
        """The most connections of the whole service, by the reason with which more are rejected."""
        return {"connections": self.max_connections, "half_open": self.max_half_open}

    def share(self, limit: int) -> int:
        """One worker's part of a limit of the whole service, at least 1."""
        return -(-limit // self.worker_count)


def setting_help(name: str) -> Mapping[str, Any]:
    """Help text, choices, metavar and default of a setting, for an option of the same name."""
    for setting in fields(Config):
        if setting.name == name:
            return {**setting.metadata, "default": setting.default}
    raise KeyError(name)


SETTINGS = tuple(setting.name for setting in fields(Config))
SERVICE_SETTINGS = tuple(setting.name for setting in fields(Config) if setting.metadata.get("of_service", True))
"""Settings that `tvs serve` has an option for: the others are for commands."""
