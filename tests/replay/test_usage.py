"""Wrong usage of `tvs replay`."""

from __future__ import annotations

import pytest

from tvs.cli.main import main


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "name the service: --server"),
        (["--server", "127.0.0.1"], "choose the trust in the server: --trust"),
        (["--server", "127.0.0.1", "--insecure"], "choose the queries: --from"),
        (["--server", "127.0.0.1", "--insecure", "--ask", "/no/such/file"], "/no/such/file: cannot be read"),
        (["--server", "127.0.0.1", "--insecure", "--from", "/no/such/file"], "/no/such/file: cannot be read"),
        (["--server", "127.0.0.1", "--insecure", "--from", "/etc/passwd"], "holds no query"),
        (
            ["--server", "127.0.0.1", "--insecure", "--sources", "192.0.2.1"],
            "192.0.2.1 cannot be a source address here",
        ),
        (["--server", "127.0.0.1", "--insecure", "--sources", "127.0.0.9-127.0.0.2"], "is not a range of addresses"),
        (["--rate", "fast"], "'fast' is not a rate above 0; write 500/s"),
        (["--speed", "0"], "'0' is not a speed"),
        (["--rate", "5/s", "--duration", "0"], "--duration: '0' is not a time above 0"),
        (["--loop", "5", "--duration", "-1s"], "--duration: expected one argument"),
        (["--loop", "5", "--duration=-1s"], "'-1s' is not a duration; write 250ms"),
        (["--timeout", "0s"], "--timeout: '0s' is not a time above 0"),
        (["--within", "9" * 30], "is longer than a year"),
        (["--csv", "-"], "--csv: '-' would be standard output"),
        (["--capture-port", "65536"], "'65536' is not a whole number from 1 to 65535"),
        (["--server", "127.0.0.1:0"], "'127.0.0.1:0' has no port from 1 to 65535"),
        (["--server", "127.0.0.1", "--insecure", "--html", "/dev/null"], "/dev/null: is not a regular file"),
        (["record", "--log", "-", "--out", "-"], "--out: '-' would be standard output"),
        (["--within", "5 minutes"], "is not a duration; write 250ms"),
        (["--server", "127.0.0.1", "--insecure", "--fail-if", "p99"], "'p99' is not a threshold"),
        (["--server", "127.0.0.1", "--insecure", "--fail-if", "p101>1s"], "is not one of p50"),
        (["--server", "127.0.0.1", "--insecure", "--html", "/no/such/place/x.html"], "the directory /no/such/place"),
        (["--server", "127.0.0.1", "--insecure", "--key", "x"], "go together"),
        (["--png", "x.png"], "--png is not an option any more; write the page with --html"),
        (["--dark"], "chromium --headless --hide-scrollbars"),
        (["compare", "/etc/passwd", "/etc/passwd"], "/etc/passwd: is not JSON"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], options: list[str], sentence: str) -> None:
    """Wrong usage is reported before anything is sent, with exit status 2."""
    try:
        status = main(["replay", *options])
    except SystemExit as end:
        status = int(end.code or 0)
    assert status == 2
    assert sentence in capsys.readouterr().err
