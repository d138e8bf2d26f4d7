"""The cluster as a value: its situation, proposed changes, their commit.

    with state.lock(), state.opened() as store:
        situation = read_situation(state, store)
        change = propose_digest(state, situation, digest=Digest.SHA1)
        commit(state, store, change)

A CTL file that a hardware token signs in place of the publisher is proposed with a function that makes a `CtlSource`
from the situation:

    propose_ctl(state, situation, lambda given: token_source(given, tokens, signer, add_token=False))
"""
