"""The emulated phone at servers with odd certificates: a refusal with a sentence, and 'Host Not Found'."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.odd import KINDS
from tests.fixtures.oddserver import odd_server
from tvs.phone.https import HOST_NOT_FOUND, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvs.phone import Phone

pytestmark = [
    pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning"),
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL X509 objects is deprecated"),  # cryptography reads fewer
]


@pytest.mark.parametrize("kind", KINDS)
async def test_secure_services(kind: str, make_phone: Callable[..., Phone]) -> None:
    """A phone without lists and TVS refuses each, and says why."""
    phone = make_phone(timeout=60)
    async with odd_server(kind) as endpoint:
        report = await connect(phone, endpoint)
    assert not report.connected
    assert report.sentence
    assert phone.flash.messages[-1][1] == HOST_NOT_FOUND
