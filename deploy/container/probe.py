#!/opt/tvs/bin/python -IS
"""Asks the service's admin port, for HEALTHCHECK and Kubernetes: `tvs-probe healthz` or `tvs-probe readyz`.

Prints what the service says, and ends with 0 if that is yes, else with 1. The port and the token are those of the
service's settings: variables of the environment, else tvs.toml in the state directory. It imports next to nothing,
because it is run several times a minute.
"""

from __future__ import annotations

import os
import socket
import sys
import tomllib

TIMEOUT = 5.0
"""Seconds without a byte after which there is no answer."""
MAX_ANSWER = 65_536
"""Bytes of an answer that are read."""
ANYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a listener's addresses


def setting(name: str, default: str) -> str:
    """A setting of the service, as `tvs serve` without options reads it."""
    if value := os.environ.get(f"TVS_{name.upper()}"):
        return value
    try:
        with open(f"{os.environ.get('TVS_STATE', '/var/lib/tvs')}/tvs.toml", "rb") as file:  # noqa: PTH123 - pathlib takes longer to import than all the rest
            return str(tomllib.load(file).get(name, default))
    except FileNotFoundError:
        return default


def ask(path: str) -> tuple[bool, str]:
    """Asks for a path of the admin port: whether the status is 200, and the answer's body."""
    host, _, port = setting("admin", "127.0.0.1:9445").rpartition(":")
    host = host.strip("[]")
    lines = [f"GET {path} HTTP/1.0", "Host: localhost"]
    if token_file := setting("admin_token_file", ""):
        with open(token_file, encoding="ascii") as file:  # noqa: PTH123 - as above
            lines.append(f"Authorization: Bearer {file.read().strip()}")
    with socket.create_connection((ANYWHERE.get(host, host), int(port)), TIMEOUT) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while len(answer) < MAX_ANSWER and (more := connection.recv(MAX_ANSWER)):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split()[1:2] == [b"200"], body.decode(errors="replace").strip()


def main() -> int:
    """Asks once; returns the exit status."""
    if sys.argv[1:] not in (["healthz"], ["readyz"]):
        print("usage: tvs-probe healthz|readyz", file=sys.stderr)
        return 2
    try:
        good, said = ask(f"/{sys.argv[1]}")
    except (OSError, ValueError) as error:  # no answer, or a file that is not TOML
        good, said = False, f"{type(error).__name__}: {error}"
    print(said)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
