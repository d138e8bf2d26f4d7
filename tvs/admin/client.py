"""A client of the admin port: fetches the report of `/status.json` for commands."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Final

from proto.text import printable
from tvs.status.report import STATUS_PATH, VERSION

if TYPE_CHECKING:
    from tvs.config.endpoint import Endpoint

MAX_REPORT: Final = 8 * 1024 * 1024
"""Bytes of a report, at most: some 150 KB are usual, 1.8 MB if strangers send the longest names."""
TIMEOUT: Final = 10.0
"""Seconds without a byte after which there is no answer."""
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - a listener's addresses
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_WANTED: Final = "the admin port wants a token; name the file that has it with --admin-token-file"
_NOT_TAKEN: Final = "the admin port does not take this token; it belongs to another service, or was replaced"
_MAX_REASON: Final = 300
_NOT_FOUND: Final = 404


class NoReport(Exception):  # noqa: N818 - what happened
    """No report came: a sentence that says why, and what to do."""


def fetch_report(admin: Endpoint, token: str | None = None) -> dict[str, Any]:
    """The report of the service whose admin port this is. Raises `NoReport`.

    Args:
        admin: the port.
        token: its admin token; None: without one.
    """
    status, data = _get(admin, token)
    if status == _UNAUTHORIZED:
        raise NoReport(f"{admin}: {_WANTED if token is None else _NOT_TAKEN}")
    if status == _NOT_FOUND:
        raise NoReport(f"{admin}: the service has no {STATUS_PATH}; it is of an earlier release: restart it")
    if status != _OK:
        raise NoReport(f"{admin}: the admin port answered {STATUS_PATH} with HTTP status {status}{_reason(data)}")
    try:
        document = json.loads(data)
        version = document["version"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise NoReport(f"{admin}: what answers there is not the admin port of a TVS service") from None
    if version != VERSION:
        raise NoReport(f"{admin}: the report has version {printable(str(version))[:20]}, this command knows {VERSION}")
    report: dict[str, Any] = document
    return report


def _reason(data: bytes) -> str:
    """What a refusal says, behind a colon; empty if it says nothing."""
    try:
        return ": " + printable(str(json.loads(data)["error"]))[:_MAX_REASON]
    except (ValueError, RecursionError, TypeError, KeyError):
        return ""


def _get(admin: Endpoint, token: str | None) -> tuple[int, bytes]:
    connection = HTTPConnection(_ANYWHERE.get(admin.host, admin.host), admin.port, timeout=TIMEOUT)
    try:
        connection.request("GET", STATUS_PATH, headers={} if token is None else {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        data = answer.read(MAX_REPORT + 1)
    except ConnectionRefusedError:
        raise NoReport(
            f"nothing answers on {admin}: the service does not run there, or its admin port is another one; "
            "name it with --admin"
        ) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NoReport(f"{admin}: no report came: {printable(reason)}") from None
    finally:
        connection.close()
    if len(data) > MAX_REPORT:
        raise NoReport(f"{admin}: the report has more than {MAX_REPORT} bytes")
    return answer.status, data
