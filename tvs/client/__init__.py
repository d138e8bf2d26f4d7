"""The client of TVS servers: its trust in them, its questions, its connections.

    async with TVSClient(Endpoint.parse("192.0.2.10:2445"), ServerTrust.from_file(itl)) as client:
        answer = await ask(client, signer_question(ctl), device="CP-8861-SEP001122334455")

`docs/client.md` has examples for each name.
"""

from proto.messages import TrustStatus
from tvs.client.connection import TVSClient
from tvs.client.question import (
    JudgedAnswer,
    QuestionError,
    TVSQuestion,
    ask,
    certificate_question,
    identity_question,
    judge,
    signer_question,
)
from tvs.client.trust import NoAnswer, ServerTrust, UntrustedServer
from tvs.config.endpoint import Endpoint

__all__ = [
    "Endpoint",
    "JudgedAnswer",
    "NoAnswer",
    "QuestionError",
    "ServerTrust",
    "TVSClient",
    "TVSQuestion",
    "TrustStatus",
    "UntrustedServer",
    "ask",
    "certificate_question",
    "identity_question",
    "judge",
    "signer_question",
]
