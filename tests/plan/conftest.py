"""A cluster's signers, and strangers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.plan.situations import Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.signing import KeyFileSigner


@pytest.fixture(scope="session")
def site(make_signer: Callable[..., KeyFileSigner]) -> Site:
    """A cluster of one node."""
    return Site(
        call_manager=make_signer("CN=pub;O=Cisco", "11", 2048),
        tvs=make_signer("CN=pub;O=Cisco", "12", 2048),
        recovery=make_signer("CN=ITLRECOVERY_pub;O=Cisco", "13", 2048),
    )


@pytest.fixture(scope="session")
def stranger(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """A signer that no list of the cluster has."""
    return make_signer("CN=stranger;O=Elsewhere", "0BADCAFE", 2048)


@pytest.fixture(scope="session")
def twin(make_signer: Callable[..., KeyFileSigner]) -> KeyFileSigner:
    """Another signer with the stranger's names and serial number."""
    return make_signer("CN=stranger;O=Elsewhere", "0BADCAFE", 2048)
