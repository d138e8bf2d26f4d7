"""A cluster, its administrator, and signers from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import admin, made, made_today, other, serve, today
from tests.fixtures.joined import made_nodes, nodes
from tests.manage.oldphone import OldPhone
from tests.manage.plans import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made", "made_nodes", "made_today", "nodes", "other", "serve", "today"]


@pytest.fixture
def for_all(admin: Administrator) -> Administrator:
    """The administrator of a cluster whose lists and service every phone can use."""
    settings(admin, tls_profile="legacy")
    return admin


@pytest.fixture
def stranger(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """A signer that no list of the cluster has."""
    return make_signer("CN=stranger;O=Elsewhere", "0BADCAFE", 2048)


@pytest.fixture
async def old_phone(today: Administrator) -> OldPhone:
    """A 7960 with the first CTL of a fresh cluster."""
    phone = OldPhone(today)
    assert await phone.boots()
    today.does("set", "phones", "with-tvs", "without-tvs")
    return phone


@pytest.fixture
async def guide_phone(admin: Administrator) -> OldPhone:
    """A 7960 with the CTL of a cluster whose lists CallManager signs."""
    phone = OldPhone(admin)
    assert await phone.boots()
    admin.does("set", "phones", "with-tvs", "without-tvs")
    return phone
