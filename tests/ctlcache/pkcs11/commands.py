"""Commands on CTL files with tokens, and the guide's two tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ctlcache.pkcs11.uri import TokenUri
from ctlcache.trustlist import parse_trust_list
from tvs.cluster.commit import commit
from tvs.cluster.proposals import propose_ctl
from tvs.cluster.situation import read_situation
from tvs.cluster.tokens import TokenChoice, inserted_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from ctlcache.pkcs11.token import Token
    from ctlcache.trustlist import TrustList
    from tests.ctlcache.pkcs11.conftest import SoftHsm
    from tvs.state import StateDirectory

PATIENCE = 30
"""Seconds that something may take on a busy machine."""
FIRST, SECOND = "SAST-ADN0054f509", "SAST-ADN008580ef"
"""Labels of the guide's tokens."""


def no_pin(_: Token) -> str:
    """Fails a test in which a PIN is asked for."""
    pytest.fail("a PIN was asked for")


def update(
    state: StateDirectory, *labels: str, ask_pin: Callable[[Token], str] = no_pin, module: str, add_token: bool = False
) -> TrustList:
    """Makes the CTL file with these tokens, the last of which signs."""
    uris = tuple(TokenUri.parse(f"pkcs11:token={label}") for label in labels)
    store = state.store()
    try:
        situation = read_situation(state, store)
        choice = TokenChoice(uris=uris, ask_pin=ask_pin, add_token=add_token, module=module, time_limit=PATIENCE)
        with inserted_tokens(choice) as make_source:
            commit(state, store, propose_ctl(state, situation, make_source))
    finally:
        store.close()
    return parse_trust_list(state.ctl_file.read_bytes())


def command(state: StateDirectory, softhsm: SoftHsm, *labels: str) -> list[str]:
    """`tvs utils ctl update CTLFile` with these tokens."""
    tokens = [f"--token=pkcs11:token={label}" for label in labels]
    where = ["--state", str(state.path), "--token-module", softhsm.module]
    return ["utils", "ctl", "update", "CTLFile", *where, *tokens]
