"""The page about the client as a library: its examples run against a running service."""

from __future__ import annotations

import ssl
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from certstore.purposes import Purpose
from tests.fixtures.pages import run_examples, unnamed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.fixtures.running import Running
    from tvs.state import StateDirectory

PAGE = Path(__file__).parents[2] / "docs" / "client.md"


def test_the_examples_run(
    serve: Callable[..., Running], state: StateDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example gives what the page shows, in a folder with a state directory `.state`."""
    running = serve()
    (tmp_path / ".state").symlink_to(state.path)
    with closing(state.store()) as store:
        (entry,) = store.entries(unit=Purpose.CallManager)
    (tmp_path / "CallManager.pem").write_text(ssl.DER_cert_to_PEM_cert(entry.certificate.der))
    monkeypatch.chdir(tmp_path)
    run_examples(PAGE, running, more_than=20)


def test_the_page_names_the_whole_interface() -> None:
    """The public names of `tvs.client` and those on the page are the same."""
    import tvs.client  # noqa: PLC0415 - this test alone looks at the package

    assert unnamed(PAGE, tvs.client.__all__) == []
