"""TLS of the phones of one generator process: contexts, kept sessions, trust in the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from tvs.client.trust import UntrustedServer
from tvs.phone.models import Series
from tvs.replay.run.setup import series_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from OpenSSL import SSL

    from tvs.replay.questions.model import Caller
    from tvs.replay.run.counters import Counters
    from tvs.replay.run.setup import Setup
    from tvs.tls.connection import TLSConnection


class CallerTLS:
    """TLS contexts by series, sessions by phone, and the server certificates that are trusted.

    Args:
        setup: TLS profile, identity, trust and resumption.
        phones: the schedule's phones.
        counters: counts handshakes.
    """

    def __init__(self, setup: Setup, phones: Sequence[Caller], counters: Counters) -> None:
        self._phones = phones
        self._counters = counters
        self._resume = setup.resume
        self._trust = setup.server_trust()
        self._contexts = {series: setup.context(series) for series in Series}
        self._trusted: set[bytes] = set()
        self._sessions: dict[int, tuple[SSL.Session, bytes]] = {}

    def context_of(self, phone: int) -> SSL.Context:
        """The TLS context of a phone."""
        return self._contexts[self._series(phone)]

    def session_of(self, phone: int) -> SSL.Session | None:
        """The TLS session that a phone has kept."""
        kept = self._sessions.get(phone)
        return kept[0] if kept is not None else None

    def handshake_done(self, phone: int, tls: TLSConnection) -> bool:
        """Counts a handshake; returns whether the server's certificate is trusted."""
        self._counters.suites[f"{tls.version} {tls.cipher}"] += 1
        if self._resume and self._series(phone) is not Series.S8800:
            self._keep_session(phone, tls)
        return self._trust.anyone or self._is_trusted(tls)

    def _series(self, phone: int) -> Series:
        return series_of(self._phones[phone].device)

    def _keep_session(self, phone: int, tls: TLSConnection) -> None:
        """A resumed session has the master secret of the first one up to TLS 1.2, the newest version of phones."""
        secret = tls.master_secret
        kept = self._sessions.get(phone)
        self._counters.resumed += kept is not None and kept[1] == secret
        if (session := tls.session) is not None:
            self._sessions[phone] = (session, secret)

    def _is_trusted(self, tls: TLSConnection) -> bool:
        try:
            certificate = tls.peer_certificate
            der = certificate.public_bytes(Encoding.DER) if certificate is not None else b""
            if der not in self._trusted:
                self._trust.check(tls.peer_chain)
                self._trusted.add(der)
        except (UntrustedServer, ValueError):
            return False
        return True
