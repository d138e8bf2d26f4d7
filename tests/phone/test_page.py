"""The page about the emulator: its examples run against a running service, and it names the whole interface."""

from __future__ import annotations

import doctest
import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import tvs.phone
from certstore.purposes import Purpose

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
    text = PAGE.read_text("utf-8").replace("127.0.0.1:2445", str(running.endpoint))
    examples = "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 20
    runner = doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    runner.run(test, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


def test_the_page_names_the_whole_interface() -> None:
    """Each public name of `tvs.phone` is on the page."""
    text = PAGE.read_text("utf-8")
    assert [name for name in tvs.phone.__all__ if not re.search(rf"\b{name}\b", text)] == []
