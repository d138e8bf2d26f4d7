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
_NOT_FOUND: Final = 404


class NoReport(Exception):  # noqa: N818 - what happened
    """No report came: a sentence that says why, and what to do."""


def fetch_report(admin: Endpoint) -> dict[str, Any]:
    """The report of the service whose admin port this is. Raises `NoReport`."""
    status, data = _get(admin)
    if status == _NOT_FOUND:
        raise NoReport(f"{admin}: the service has no {STATUS_PATH}; it is of an earlier release: restart it")
    if status != _OK:
        raise NoReport(f"{admin}: the admin port answered {STATUS_PATH} with HTTP status {status}")
    try:
        document = json.loads(data)
        version = document["version"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise NoReport(f"{admin}: what answers there is not the admin port of a TVS service") from None
    if version != VERSION:
        raise NoReport(f"{admin}: the report has version {printable(str(version))[:20]}, this command knows {VERSION}")
    report: dict[str, Any] = document
    return report


def _get(admin: Endpoint) -> tuple[int, bytes]:
    connection = HTTPConnection(_ANYWHERE.get(admin.host, admin.host), admin.port, timeout=TIMEOUT)
    try:
        connection.request("GET", STATUS_PATH)
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
