"""The cluster as a value: its situation, proposed changes, their commit.

    with state.lock(), state.opened() as store:
        situation = read_situation(state, store)
        change = propose_digest(state, situation, digest=Digest.SHA1)
        commit(state, store, change)

A CTL file that a hardware token signs in place of the publisher is proposed with a function that makes a `CtlSource`
from the situation:

    propose_ctl(state, situation, lambda given: token_source(given, tokens, signer, add_token=False))
"""

from tvs.cluster.certificates import propose_regeneration, propose_request
from tvs.cluster.change import Change, commit
from tvs.cluster.imports import propose_import
from tvs.cluster.lists import CtlSource, build_ctl, build_itl, token_source, tokenless_source, unknown_tokens
from tvs.cluster.nodes import propose_no_node, propose_node
from tvs.cluster.previous import propose_forget, propose_restore
from tvs.cluster.proposals import (
    propose_ctl,
    propose_deletion,
    propose_itl,
    propose_mode,
    propose_parameter,
    propose_reset_ctl,
    propose_reset_itl,
)
from tvs.cluster.renaming import next_steps, propose_rename
from tvs.cluster.signers import propose_announcement, propose_digest, propose_signer
from tvs.cluster.situation import Situation, read_situation
from tvs.cluster.trusted import propose_delete_trusted, propose_import_trusted

__all__ = [
    "Change",
    "CtlSource",
    "Situation",
    "build_ctl",
    "build_itl",
    "commit",
    "next_steps",
    "propose_announcement",
    "propose_ctl",
    "propose_delete_trusted",
    "propose_deletion",
    "propose_digest",
    "propose_forget",
    "propose_import",
    "propose_import_trusted",
    "propose_itl",
    "propose_mode",
    "propose_no_node",
    "propose_node",
    "propose_parameter",
    "propose_regeneration",
    "propose_rename",
    "propose_request",
    "propose_reset_ctl",
    "propose_reset_itl",
    "propose_restore",
    "propose_signer",
    "read_situation",
    "token_source",
    "tokenless_source",
    "unknown_tokens",
]
