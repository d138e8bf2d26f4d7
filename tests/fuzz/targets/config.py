"""Harness of the settings: a TOML file, and environment variables."""

from __future__ import annotations

import dataclasses
import socket
from unittest.mock import patch

from tests.fuzz.harness import Harness
from tests.fuzz.mutators import mutate_lines
from tests.fuzz.scratch import written
from tvs.config.loading import ConfigError, load_config
from tvs.config.settings import Config

_look_up = socket.getaddrinfo


def _numeric(host: str, port: int, **more: int) -> object:
    """The system's look-up without a question to a name server."""
    return _look_up(host, port, type=more["type"], flags=more["flags"] | socket.AI_NUMERICHOST)


def one(data: bytes) -> None:
    with patch.object(socket, "getaddrinfo", _numeric):
        for environment in ({}, _environment(data)):
            try:
                with written(data) as path:
                    config = load_config({"state": "/nowhere"}, file=path, environment=environment)
            except ConfigError as error:
                assert error.problems
                assert all(error.problems)
            else:
                assert isinstance(config, Config)
                assert 0 <= config.listen.port <= 0xFFFF


def _environment(data: bytes) -> dict[str, str]:
    """The lines ``key = value`` of the file as variables; a variable holds no NUL."""
    pairs = (line.partition(b"=") for line in data.replace(b"\0", b"").split(b"\n"))
    return {
        f"TVS_{_text(key).upper()}": _text(value).strip('"') for key, equals, value in pairs if equals and key.strip()
    }


def _text(value: bytes) -> str:
    return value.strip().decode("utf-8", "surrogateescape")


NAMES = tuple(f"{field.name} = ".encode() for field in dataclasses.fields(Config))
CONFIG = Harness(
    name="config",
    invariant="Any file and environment give settings in their ranges, or ConfigError with at least one sentence.",
    one=one,
    parsers={"tvs.config.loading": 75, "tvs.config.values": 90, "tvs.config.endpoint": 75, "tvs.config.store": 80},
    mutate=mutate_lines,
    tokens=(
        *NAMES,
        b'"127.0.0.1:2445"',
        b'"[::1]:1"',
        b"1e400",
        b"0x",
        b"nan",
        b"inf",
        b"[[",
        b"true",
        b'"~x"',
        b'"sqlite:///x"',
        b'"postgresql://a:b@c/d?password=e"',
        b"\\u0000",
    ),
)
