"""A PostgreSQL database's URL: its parts for the driver, its name in sentences, which never has a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from psycopg import Error, pq
from psycopg.conninfo import conninfo_to_dict

from certstore.errors import StoreUnavailable

CONNECT_TIMEOUT = 5
"""Seconds for each address of the server, if the URL does not say otherwise (``connect_timeout``)."""
LAZY_CONNECT_TIMEOUT = 2
"""The same for a lazy store, whose owner answers phones meanwhile."""
DEFAULTS: dict[str, str | int] = {
    "application_name": "tvs",
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4000,
}
"""Parameters of libpq that the URL may set otherwise. A link that is cut without a word is noticed after 2 s of silence
and three probes, 1 s apart; with data on the way after 4,000 ms."""
_HINT = (
    "write postgresql://USER@HOST:PORT/DATABASE?passfile=FILE, with % and two hex digits for each special character in "
    "a name or a password"
)


_KEYWORD = re.compile("[A-Za-z_]{1,40}")
"""A parameter's name that a sentence may show."""
_SECRETS = {"password", "sslpassword", "oauth_client_secret"}
"""Parameters with a secret, which has no place in a URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """One database on a server.

    Attributes:
        name: ``postgresql://USER@HOST:PORT/DATABASE`` as far as the URL has them, for sentences and logs.
        parameters: those of libpq. They may have a password, so they are never shown.
    """

    name: str
    parameters: dict[str, str | int] = field(repr=False)

    @property
    def writable(self) -> bool:
        """Whether a session must be on the server that takes changes, of several."""
        return self.parameters.get("target_session_attrs") == "read-write"

    def standby(self) -> Target | None:
        """The same servers for a session on one that is a standby; None if the URL names one server only."""
        if "," not in str(self.parameters.get("host", "")):
            return None
        return replace(self, parameters=self.parameters | {"target_session_attrs": "standby"})


def parse(url: str, *, lazy: bool = False) -> Target:
    """The database that a URL names.

    Args:
        url: ``postgresql://…`` or ``postgres://…`` with any parameter of libpq.
        lazy: wait less for a connection.

    Raises:
        StoreUnavailable: the URL cannot be read. The sentence shows nothing of it, because the password may be
            anywhere, but the name of a parameter that libpq does not know.
    """
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    except (Error, ValueError):  # the driver's error quotes the URL
        raise _unknown_parameter(url) or _unreadable() from None
    ports = given.get("port", "")
    if not all(port == "" or port.isdecimal() for port in ports.split(",")):
        raise _unreadable()
    if any("@" in given.get(key, "") for key in ("host", "dbname")):  # the rest of a password with an @ in it
        raise _unreadable()
    defaults = DEFAULTS | {"connect_timeout": LAZY_CONNECT_TIMEOUT if lazy else CONNECT_TIMEOUT}
    if "," in given.get("host", ""):
        defaults["target_session_attrs"] = "read-write"  # changes and LISTEN need the primary
    return Target(name=_name(given), parameters=defaults | given | {"client_encoding": "UTF8"})


def _unreadable() -> StoreUnavailable:
    return StoreUnavailable(f"the database URL cannot be read (it is not shown, for the password's sake): {_HINT}")


def _unknown_parameter(url: str) -> StoreUnavailable | None:
    """The error for a parameter that libpq does not know; None for another fault.

    None also where the name could be a part of a password: that can have ``?`` or ``&`` in it, before an ``@`` or in a
    parameter of its own.
    """
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    place, _, query = url.partition("?")
    if "@" in query or ":" in place.partition("://")[2].rpartition("@")[0]:
        return None
    for parameter in query.split("&"):
        keyword, equals, _ = parameter.partition("=")
        if keyword in _SECRETS or not equals or not _KEYWORD.fullmatch(keyword):
            return None
        if keyword not in known and parameter != "ssl=true":
            return StoreUnavailable(
                f"the database URL has the parameter {keyword}, which libpq does not know (the rest of the URL is not "
                f"shown, for a password's sake); it knows: {', '.join(sorted(known - _SECRETS))}"
            )
    return None


def _name(given: dict[str, str]) -> str:
    hosts = given.get("host", given.get("hostaddr", "")).split(",")
    ports = given.get("port", "").split(",")
    if len(ports) < len(hosts):
        ports *= len(hosts)
    places = (f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=False))
    user = f"{given['user']}@" if given.get("user") else ""
    return f"postgresql://{user}{','.join(places)}/{given.get('dbname', '')}"
