"""Requests and answers of one call, without a socket."""

from __future__ import annotations

import pytest

from proto.codec import Decoder, encode
from proto.messages import REQUESTS, CertVerificationResponse, QueryCertRequest, QueryCertResponse, TrustStatus
from tvs.client.connection import FIRST_SESSION_ID
from tvs.replay.questions.model import VERIFICATION, Asked, Question
from tvs.replay.run.dialogue import Dialogue, MalformedAnswer

DEVICE = "CP-8861-SEP000000000001"
QUERY = Asked(Question(subject="CN=a", issuer="CN=b", serial=b"\x01"), None)
VERIFY = Asked(Question(request=VERIFICATION, issuer="CN=b", serial=b"\x01", certificate=b"der"), None)


def answer(session_id: int) -> bytes:
    """An answer to a query."""
    return encode(QueryCertResponse(session_id=session_id, status=TrustStatus.NOT_TRUSTED))


def test_questions_follow_each_other_with_session_ids_of_their_own() -> None:
    """Each request has the next session id; the pause before the next question is the talk's; None ends it."""
    dialogue = Dialogue(((0.0, 0), (2.5, 1)), [QUERY, VERIFY], DEVICE)
    decoder = Decoder(accept=REQUESTS)
    decoder.receive_data(dialogue.request())
    request = decoder.next_message()
    assert isinstance(request, QueryCertRequest)
    assert (request.session_id, request.device_name, request.issuer_name) == (FIRST_SESSION_ID, DEVICE, "CN=b")
    assert (dialogue.current, dialogue.remaining) == (QUERY, 2)
    assert dialogue.receive(answer(FIRST_SESSION_ID)) is not None
    assert dialogue.advance() == 2.5
    assert (dialogue.current, dialogue.remaining) == (VERIFY, 1)
    verified = CertVerificationResponse(session_id=FIRST_SESSION_ID + 1, status=TrustStatus.NOT_TRUSTED)
    assert dialogue.receive(encode(verified)) == verified
    assert dialogue.advance() is None
    assert dialogue.remaining == 0


def test_an_answer_may_come_in_pieces() -> None:
    """Byte by byte, the answer is returned with its last byte and not before."""
    dialogue = Dialogue(((0.0, 0),), [QUERY], DEVICE)
    *pieces, last = [bytes([value]) for value in answer(FIRST_SESSION_ID)]
    assert [dialogue.receive(piece) for piece in pieces] == [None] * len(pieces)
    assert dialogue.receive(last) is not None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (answer(FIRST_SESSION_ID + 1), "the answer to another question"),
        (
            encode(CertVerificationResponse(session_id=FIRST_SESSION_ID, status=TrustStatus.NOT_TRUSTED)),
            "the answer to another question",
        ),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "."),
    ],
)
def test_a_wrong_answer_is_malformed(data: bytes, sentence: str) -> None:
    """Another session id, another type of message and bytes of another protocol are malformed answers."""
    with pytest.raises(MalformedAnswer, match=sentence):
        Dialogue(((0.0, 0),), [QUERY], DEVICE).receive(data)
