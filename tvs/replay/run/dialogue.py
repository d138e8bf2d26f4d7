"""Requests and answers of one call, in order: bytes out, bytes in, no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from proto.codec import NEED_DATA, Decoder
from proto.errors import RemoteProtocolError
from proto.messages import RESPONSES, MessageType
from tvs.client.connection import FIRST_SESSION_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proto.messages import Response
    from tvs.replay.questions.model import Asked
    from tvs.replay.run.schedule import Talk

_ANSWERS = {
    MessageType.QUERY_CERT_REQ: MessageType.QUERY_CERT_RES,
    MessageType.CERT_VERIFICATION_REQ: MessageType.CERT_VERIFICATION_RES,
}


class MalformedAnswer(Exception):  # noqa: N818 - a failure of the server
    """The bytes are not a TVS message, or the message answers another question; the text says which."""


class Dialogue:
    """The questions of a talk, one after the other, each with a session id of its own.

    Args:
        talk: seconds and question numbers, at least one.
        asked: the schedule's questions.
        device: device name for the requests.
    """

    __slots__ = ("_asked", "_decoder", "_device", "_step", "_talk")

    def __init__(self, talk: Talk, asked: Sequence[Asked], device: str) -> None:
        self._talk = talk
        self._asked = asked
        self._device = device
        self._step = 0
        self._decoder = Decoder(accept=RESPONSES)

    @property
    def current(self) -> Asked:
        """The question that is asked now, with its expected answer."""
        return self._asked[self._talk[self._step][1]]

    @property
    def remaining(self) -> int:
        """Questions without an answer, the current one included."""
        return len(self._talk) - self._step

    def request(self) -> bytes:
        """The current question as a whole request. Raises `LocalProtocolError`."""
        return self.current.question.encoded(self._device, FIRST_SESSION_ID + self._step)

    def receive(self, data: bytes) -> Response | None:
        """The answer to the current question once it is whole; None until then. Raises `MalformedAnswer`."""
        self._decoder.receive_data(data)
        try:
            message = self._decoder.next_message()
        except RemoteProtocolError as error:
            raise MalformedAnswer(str(error)) from None
        if message is NEED_DATA:
            return None
        answer = cast("Response", message)  # the decoder accepts nothing else
        expected_type = _ANSWERS[self.current.question.request]
        if answer.session_id != FIRST_SESSION_ID + self._step or answer.message_type is not expected_type:
            raise MalformedAnswer("the answer to another question")
        return answer

    def advance(self) -> float | None:
        """Goes to the next question; returns its seconds after the call's time, None after the last one."""
        self._step += 1
        return self._talk[self._step][0] if self._step < len(self._talk) else None
