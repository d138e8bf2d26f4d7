"""The page about the emulator: its examples run against a running service, and it names the whole interface."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import tvs.phone
from certstore.purposes import Purpose
from tests.fixtures.pages import run_examples, unnamed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.fixtures.cluster import Cluster
    from tests.fixtures.running import Running

PAGE = Path(__file__).parents[2] / "docs" / "phone.md"


def test_the_examples_run(
    cluster: Cluster, serve: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example gives what the page shows, in a folder with a state directory `.state`."""
    running = serve(cluster)
    (tmp_path / ".state").symlink_to(cluster.state.path)
    (tmp_path / "CallManager.pem").write_text(ssl.DER_cert_to_PEM_cert(cluster.own(Purpose.CallManager).der))
    monkeypatch.chdir(tmp_path)
    run_examples(PAGE, running, more_than=20)


def test_the_page_names_the_whole_interface() -> None:
    """Each public name of `tvs.phone` is on the page."""
    assert unnamed(PAGE, tvs.phone.__all__) == []


def test_each_public_name_exists() -> None:
    """The names, which are imported when they are used, are those of the modules."""
    assert all(hasattr(tvs.phone, name) for name in tvs.phone.__all__)
    assert not hasattr(tvs.phone, "no_such_name")
