"""Defaults and names of the client, without its connections."""

from __future__ import annotations

from typing import Final

DEFAULT_TIMEOUT = 5.0
"""Maximum seconds of each step: connect, handshake, answer."""
CHECK_DEVICE: Final = "TVS-CHECK"
"""Name of the phone as which checks and plans ask: the log has it, and the record of phones leaves it out."""
QUERY_DEVICE: Final = "CP-8861-SEP000000000000"
"""Name of the phone as which `tvs query` asks unless it is given one, and a replay whose source names none. No phone
has it, and the record of phones leaves it out too."""
CHECK_SERVER_NAME: Final = "tvs-check.invalid"
"""Name of the server that checks and plans give in the handshake (RFC 6066, 3), where a phone gives none: a handshake
of theirs that fails, as one with TLS 1.0 may, is not recorded as a phone's. No machine has such a name (RFC 6761, 6.4).
"""
NO_PHONES: Final = frozenset({CHECK_DEVICE, QUERY_DEVICE})
"""Names of phones as which commands ask."""
