"""What only TLS 1.3 has: key updates, early data, HelloRetryRequest, padding, tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlslite.constants import KeyUpdateMessageType

from tests.whole.outside.altering import ANSWERED, DATA, HANDSHAKE, TLS1_3, Stranger, choose, meet
from tests.whole.outside.hellos import Hello, added, with_hello
from tests.whole.strangers import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tests.whole.outside.altering import Records

KEY_UPDATE = b"\x18\0\0\1"
"""Header of a KeyUpdate message (RFC 8446, 4.6.3)."""
UNEXPECTED, ILLEGAL_PARAMETER = "fatal unexpected_message", "fatal illegal_parameter"
EARLY = b"early data" * 5


def end_then(service: Running, then: Callable[[Stranger], None], **settings: Any) -> str:
    """The end of a meeting in which something follows the handshake."""
    return meet(service, choose(TLS1_3, **settings), then=then).end


def test_key_updates(service: Running) -> None:
    """The service takes new keys, and takes some itself if it is asked to; not without end."""
    for kind in (KeyUpdateMessageType.update_not_requested, KeyUpdateMessageType.update_requested):
        for number, wanted in ((1, ANSWERED), (5, ANSWERED), (100, "closed")):

            def update(stranger: Stranger, kind: int = kind, number: int = number, wanted: str = wanted) -> None:
                for _ in range(number):
                    for _ in stranger.send_keyupdate_request(kind):
                        pass
                if wanted == ANSWERED:
                    stranger.ask()
                else:  # without a request behind them, whose arrival together with them would excuse them
                    stranger.answer()

            assert end_then(service, update) == wanted, (kind, number)


def test_messages_after_the_handshake(service: Running) -> None:
    """False key updates, an answer to no request for a certificate, and a server's messages end the connection."""
    cases: dict[str, tuple[Records, str]] = {
        "key update of an unknown kind": ([(HANDSHAKE, KEY_UPDATE + b"\2")], ILLEGAL_PARAMETER),
        "key update of two bytes": ([(HANDSHAKE, b"\x18\0\0\2\0\0")], ILLEGAL_PARAMETER),
        "key update with more in its record": ([(HANDSHAKE, KEY_UPDATE + b"\0x")], UNEXPECTED),
        "half a key update, then data": ([(HANDSHAKE, KEY_UPDATE[:3])], UNEXPECTED),
        "certificate": ([(HANDSHAKE, b"\x0b\0\0\4\0\0\0\0")], UNEXPECTED),
        "certificate request": ([(HANDSHAKE, b"\x0d\0\0\3\0\0\0")], UNEXPECTED),
        "end of early data": ([(HANDSHAKE, b"\5\0\0\0")], UNEXPECTED),
        "ticket": ([(HANDSHAKE, b"\4\0\0\5abcde")], UNEXPECTED),
        "empty handshake record": ([(HANDSHAKE, b"")], UNEXPECTED),
    }
    for name, (records, wanted) in cases.items():

        def send(stranger: Stranger, records: Records = records) -> None:
            stranger.send_records(*records)
            stranger.ask()

        assert end_then(service, send) == wanted, name


def test_padding(service: Running) -> None:
    """Padded records are read, up to the size of a record."""
    for padding in (1, 100, 16000):
        assert (
            end_then(service, Stranger.ask, padding_cb=lambda _length, _kind, _limit, padding=padding: padding)
            == ANSWERED
        )

    def overflow(stranger: Stranger) -> None:
        stranger._recordLayer.padding_cb = lambda _length, _kind, _limit: 17000
        stranger.ask()

    assert end_then(service, overflow) == "fatal record_overflow"


def test_early_data(service: Running) -> None:
    """Data behind the ClientHello, announced or not, is never taken for a request."""
    for announced in (True, False):

        def early(name: str, data: bytes, announced: bool = announced) -> Records | None:
            hello = with_hello(added((42, b"")))(name, data) if announced else [(HANDSHAKE, data)]
            return [*(hello or ()), (DATA, request())] if name == "ClientHello" else None

        met = meet(service, choose(TLS1_3), early)
        assert met.end.startswith("fatal "), announced
        assert met.end != UNEXPECTED or not announced


def test_hello_retry_request(service: Running) -> None:
    """A client without a key share is asked once to send one; the same ClientHello again ends the connection."""
    assert end_then(service, Stranger.ask, keyShares=[]) == ANSWERED
    hellos: list[bytes] = []

    def repeat(name: str, data: bytes) -> Records | None:
        hellos.append(data)
        return [(HANDSHAKE, hellos[0])] if name == "ClientHello" else None

    assert meet(service, choose(TLS1_3, keyShares=[]), repeat).end == ILLEGAL_PARAMETER
    assert len([hello for hello in hellos if Hello(hello).random == Hello(hellos[0]).random]) == 2


def test_no_ticket(service: Running) -> None:
    """The service's last record is its answer, and none comes between it and Finished."""
    met = meet(service, choose(TLS1_3))
    hello, change, extensions, asks, certificate, verify, finished, answer = met.records
    assert (hello[0], change[0], {extensions[0], asks[0], certificate[0], verify[0], finished[0]}) == (22, 20, {DATA})
    assert len(answer[1]) == 14 + 1 + 16  # the answer, the record's type and its tag


def test_tickets_after_a_retry_resume_nothing(service: Running) -> None:
    """After a HelloRetryRequest OpenSSL cannot be kept from sending two tickets; no connection is resumed with them."""
    first = Stranger(service)
    first.handshakeClientCert(settings=choose(TLS1_3, keyShares=[]))
    first.ask()
    assert len(first.tickets) == 2
    for _ in range(2):
        second = Stranger(service)
        second.handshakeClientCert(settings=choose(TLS1_3), session=first.session)
        assert not second.resumed
        second.ask()
        second.tap.close()
    first.tap.close()
