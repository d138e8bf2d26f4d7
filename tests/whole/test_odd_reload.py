"""A TVS certificate that cryptography reads and OpenSSL refuses, in the database of a running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tests.fixtures.der import common_name, key
from tests.fixtures.odd import KINDS
from tests.fixtures.running import run_tvs
from tests.whole.strangers import ask
from tvs.identity import key_pem
from tvs.system.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory


async def test_reload_keeps_the_certificate_in_use(serve: Callable[..., Running], state: StateDirectory) -> None:
    """A reload refuses it with a sentence and phones are answered as before; a start ends with the sentence."""
    service = serve()
    write_atomically(state.key_file(Purpose.TVS, key().public_key()), key_pem(key()), mode=0o600)
    store = state.store()
    try:
        node = store.nodes()[0].name
        store.import_certificate(
            KINDS["name: in VisibleString"](common_name("a")), Purpose.TVS, node=node, replace=True
        )
    finally:
        store.close()
    service.reload()
    service.wait_for_line("OpenSSL refuses the certificate")
    assert await ask(service)
    assert service.process.poll() is None
    done = run_tvs("serve", "--state", state.path, "--check-config")
    assert done.returncode == 2
    assert "OpenSSL refuses the certificate" in done.stderr
    assert "Traceback" not in done.stderr
