"""TLS contexts for the service and for clients, made from a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from OpenSSL import SSL, crypto

from tvs.tls.failures import reasons
from tvs.tls.peerkeys import check_cost
from tvs.tls.profiles import PROFILES, ClientCertificates, TLSProfile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

    from ctlcache.keyfile import PrivateKey


def _accept_any(_connection: SSL.Connection, _certificate: crypto.X509, _errno: int, _depth: int, _ok: int) -> bool:
    """Accepts any certificate: it is recorded, not judged. OpenSSL calls this several times for one certificate."""
    return True


def _accept_affordable(
    connection: SSL.Connection, certificate: crypto.X509, _errno: int, _depth: int, _ok: int
) -> bool:
    """Accepts any certificate whose key costs little, before the proof of the key is verified.

    Raises `TLSError` for others: pyOpenSSL ends the handshake, which raises it again.
    """
    if connection.get_app_data() is None:  # the first call for this connection
        connection.set_app_data(True)
        check_cost(certificate)
    return True


def _keep_verdict(_connection: SSL.Connection, certificate: crypto.X509, _errno: int, depth: int, ok: int) -> bool:
    """Keeps OpenSSL's verdict on the certificate, whose key must cost little too. Raises `TLSError` for others."""
    if ok and depth == 0:
        check_cost(certificate)
    return bool(ok)


def _issue_no_ticket(connection: SSL.Connection) -> None:
    """Forbids session tickets on a connection whose ClientHello has come, whether it names a server or not.

    OpenSSL sends two tickets under TLS 1.3 although OP_NO_TICKET is set in the context: stateful ones, which refer to
    its session cache. It sends none to a connection on which the option is set in this callback, the first time that it
    is called: after a HelloRetryRequest, which phones do not provoke, tickets come, which nothing can resume.
    """
    connection.set_options(SSL.OP_NO_TICKET)


def _ask_for_certificate(context: SSL.Context, accept: Callable[..., bool]) -> None:
    """Asks the peer for its certificate, which the callback accepts.

    OpenSSL verifies the signatures of a chain even if nobody asks for the verdict: 22 KB of certificates whose RSA keys
    have exponents of 3,072 bits cost 150 ms. Depth 0 builds no chain.
    """
    context.set_verify(SSL.VERIFY_PEER, accept)
    context.set_verify_depth(0)


def _base_context(profile: TLSProfile) -> SSL.Context:
    settings = PROFILES[profile]
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(settings.minimum)
    context.set_cipher_list(settings.ciphers.encode())
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # halves the memory of an idle connection
    return context


def server_context(
    *,
    profile: TLSProfile,
    certificate: x509.Certificate,
    key: PrivateKey,
    chain: Sequence[x509.Certificate] = (),
    client_certificates: ClientCertificates = ClientCertificates.REQUEST,
    client_authorities: Sequence[x509.Certificate] = (),
    keylog: Callable[[SSL.Connection, bytes], None] | None = None,
) -> SSL.Context:
    """A context for the service.

    Args:
        profile: protocol versions and suites.
        certificate: the service's own, which phones compare byte for byte.
        key: its private key.
        chain: certificates of its issuers, sent after it.
        client_certificates: requirement for a phone's own certificate.
        client_authorities: the CAs of phones' certificates, for ``require``.
        keylog: callback for the lines of a key log (`tvs.tls.keylog.open_keylog`).

    The service caches no sessions and issues no tickets: phones ask once and leave, a session cache with client
    certificates costs 5 KiB a handshake, and this library cannot rotate ticket keys.

    Raises `ValueError` if OpenSSL refuses one of the certificates, or the key does not belong to the first.
    """
    context = _base_context(profile)
    context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_tlsext_servername_callback(_issue_no_ticket)  # costs 2 us, two tickets cost 5 us, 158 bytes and a send
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"tvs")
    if keylog is not None:
        context.set_keylog_callback(keylog)
    _use(context, certificate, key, chain)
    if client_certificates is ClientCertificates.REQUEST:
        _ask_for_certificate(context, _accept_affordable)
    elif client_certificates is ClientCertificates.REQUIRE:
        store = context.get_cert_store()
        if store is None:
            raise ValueError("OpenSSL returned no certificate store")
        try:
            for authority in client_authorities:
                store.add_cert(crypto.X509.from_cryptography(authority))
        except crypto.Error as error:
            raise ValueError(f"OpenSSL refuses a client CA: {reasons(error)}") from error
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _keep_verdict)
    return context


def check_shown(certificate: x509.Certificate) -> None:
    """Raises `ValueError` for a certificate that OpenSSL refuses to show to phones of the usual profile."""
    context = _base_context(TLSProfile.COMPATIBLE)
    try:
        context.use_certificate(certificate)
    except (SSL.Error, crypto.Error) as error:
        raise ValueError(f"OpenSSL refuses the certificate: {reasons(error)}") from error


def _use(
    context: SSL.Context, certificate: x509.Certificate, key: PrivateKey, chain: Sequence[x509.Certificate]
) -> None:
    try:
        context.use_certificate(certificate)
        for link in chain:
            context.add_extra_chain_cert(link)
    except (SSL.Error, crypto.Error) as error:
        raise ValueError(f"OpenSSL refuses the certificate: {reasons(error)}") from error
    try:
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error as error:
        raise ValueError("the private key does not belong to the certificate") from error


def client_context(
    *,
    profile: TLSProfile = TLSProfile.LEGACY,
    certificate: x509.Certificate | None = None,
    key: PrivateKey | None = None,
    maximum: int | None = None,
    ciphers: str | None = None,
) -> SSL.Context:
    """A context for a client: it accepts any server certificate, because the client compares it byte for byte.

    Args:
        profile: protocol versions and suites; ``legacy`` connects to every server.
        certificate, key: the phone's own (LSC or MIC), shown when the server asks.
        maximum: highest protocol version, an `SSL` constant: `SSL.TLS1_VERSION` is a 7900-series phone.
        ciphers: cipher list instead of the profile's.
    """
    context = _base_context(profile)
    if maximum is not None:
        context.set_max_proto_version(maximum)
    if ciphers is not None:
        context.set_cipher_list(ciphers.encode())
    if certificate is not None and key is not None:
        context.use_certificate(certificate)
        context.use_privatekey(key)
    _ask_for_certificate(context, _accept_any)
    return context


def accepted_suites(profile: TLSProfile) -> list[str]:
    """OpenSSL's names of the suites that a profile accepts, in the server's order of preference."""
    return SSL.Connection(_base_context(profile), None).get_cipher_list()
