"""The setting ``store``: which certificate database a state directory has, by its URL.

A URL stands in `tvs.toml`, in the environment and on the command line of `tvs init`, and in messages and logs: it
never has a password in it. libpq has other ways for one, which a URL can name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from tvs.config.places import SETTINGS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VARIABLE: Final = "TVS_STORE"
"""The setting in the environment."""
_FORMS: Final = "write sqlite:///absolute/path or postgresql://user@host/database"
_SECRETS: Final = frozenset({"password", "sslpassword", "oauth_client_secret"})
"""Parameters of libpq that are secrets: its documentation, "Parameter Key Words"."""
_WAYS_OUT: Final = (
    "the URL has a password in it, which other users can read there: it is refused. Take it out, and name a file with "
    "it: passfile=FILE in the URL (postgresql://user@host/database?passfile=/etc/tvs/pgpass, mode 0600, the service's "
    "user) or PGPASSFILE; without one libpq reads ~/.pgpass. Or use a service file (service=NAME), a client "
    "certificate (sslcert=FILE&sslkey=FILE), or peer authentication over the Unix socket; see docs/database.md"
)


def may_be_named(state: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether there are settings that can name a database: without any, commands need not import their reader."""
    return VARIABLE in environment or (state / SETTINGS_FILE).exists()


def read_store(value: object) -> str:
    """The URL of a certificate database: ``sqlite:///absolute/path`` or ``postgresql://…`` without a password.

    No sentence repeats the URL, because what is refused can be a password. Whether there is such a database is
    found out when it is opened.
    """
    if not isinstance(value, str):
        raise ValueError(f"it is not a text; {_FORMS}")  # noqa: TRY004 - a setting's value, reported with its key
    if not value.isprintable():
        raise ValueError(f"the URL has a character that cannot be printed; {_FORMS}")
    scheme, _, rest = value.partition("://")
    if scheme == "sqlite":
        _check_path(rest)
    elif scheme == "postgresql":
        _check_secrets(rest)
    else:
        raise ValueError(f"it is not the URL of a kind of database that is known; {_FORMS}")
    return value


def _check_path(rest: str) -> None:
    if not rest.startswith("/") or not rest.strip("/") or "?" in rest or "#" in rest:
        raise ValueError("the URL does not name a file; write sqlite:///absolute/path, with %3F for ? and %23 for #")


def _check_secrets(rest: str) -> None:
    """Refuses a password where libpq finds one: between ``:`` and the first ``@`` before a slash, or as a parameter."""
    user, at, others = rest.partition("@")
    if "/" in user or not at:
        user, others = "", rest
    keys = (unquote(parameter.partition("=")[0]) for parameter in others.partition("?")[2].split("&"))
    if ":" in user or not _SECRETS.isdisjoint(keys):
        raise ValueError(_WAYS_OUT)
