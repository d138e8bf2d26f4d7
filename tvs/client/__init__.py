"""The client of TVS servers: its trust in them, its questions, its connections.

    async with TVSClient(Endpoint.parse("192.0.2.10:2445"), ServerTrust.from_file(itl)) as client:
        answer = await ask(client, signer_question(ctl), device="CP-8861-SEP001122334455")

`docs/client.md` has examples for each name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
_MODULES = ("proto.messages", "tvs.client.connection", "tvs.client.question", "tvs.client.trust", "tvs.config.endpoint")


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for: help texts need no connections."""
    if name in __all__:
        for module in _MODULES:
            found = vars(import_module(module))
            if name in found:
                return globals().setdefault(name, found[name])
    raise AttributeError(f"module 'tvs.client' has no attribute {name!r}")
