"""A cluster, its administrator, and signers from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures.administrator import admin, made, other, serve
from tests.manage.plans import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner
    from tests.fixtures.administrator import Administrator

__all__ = ["admin", "made", "other", "serve"]


@pytest.fixture
def for_all(admin: Administrator) -> Administrator:
    """The administrator of a cluster whose lists and service every phone can use."""
    settings(admin, tls_profile="legacy")
    return admin


@pytest.fixture
def stranger(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """A signer that no list of the cluster has."""
    return make_signer("CN=stranger;O=Elsewhere", "0BADCAFE", 2048)
