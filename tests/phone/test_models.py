"""Names of models and devices."""

from __future__ import annotations

import pytest

from tvs.phone import Phone, find_model, parse_mac
from tvs.phone.models import parse_device


def test_names_of_models_and_devices() -> None:
    """MAC addresses and models in the forms that people write; the device name as requests carry it."""
    for text in ("b000b4ba0aee", "B0:00:B4:BA:0A:EE", "b000.b4ba.0aee", "SEPB000B4BA0AEE"):
        assert parse_mac(text) == "B000B4BA0AEE"
    assert {find_model(text).name for text in ("8861", "CP-8861", "cp-8861-K9")} == {"CP-8861"}
    assert find_model("DP-9841-K9").name == "CP-9841"
    assert Phone("b000b4ba0aee", find_model("8861")).device == "CP-8861-SEPB000B4BA0AEE"


def test_a_device_has_a_model_and_a_mac_address() -> None:
    """The device name of requests is taken apart; other names are refused."""
    assert parse_device("CP-7975-SEPB000B4BA0AEE") == (find_model("7975"), "B000B4BA0AEE")
    for text in ("CP-7975", "SEPB000B4BA0AEE", "CP-7975-SEPb000b4ba0aee", "CP-9999-SEPB000B4BA0AEE", ""):
        with pytest.raises(ValueError, match=r"is not a (device name|known model)"):
            parse_device(text)


def test_series_differ_in_tls_digests_and_checksum() -> None:
    """The 7900 series speaks TLS 1.0, verifies SHA-1 only and shows MD5; the newer ones differ in all three."""
    old, new = find_model("7975").facts, find_model("8861").facts
    assert (old.tls, {digest.name for digest in old.digests}, old.checksum) == ("TLS 1.0", {"SHA1"}, "md5")
    assert (new.tls, {digest.name for digest in new.digests}, new.checksum) == (
        "TLS 1.2",
        {"SHA1", "SHA256", "SHA512"},
        "sha1",
    )
    assert [find_model(number).tvs for number in ("7940", "7960", "7945", "8861")] == [False, False, True, True]


SERIES = {
    "6921": ("69xx", "TLS 1.0", False),
    "7975": ("7900", "TLS 1.0", True),
    "7841": ("7800", "TLS 1.2", True),
    "8821": ("8800", "TLS 1.2", True),
    "8831": ("8800", "TLS 1.2", True),
    "8861": ("8800", "TLS 1.2", True),
    "8875": ("8800", "TLS 1.2", False),
    "8941": ("89xx", "TLS 1.0", True),
    "8945": ("89xx", "TLS 1.0", True),
    "8961": ("89xx", "TLS 1.0", True),
    "9951": ("99xx", "TLS 1.0", True),
    "9971": ("99xx", "TLS 1.0", True),
    "9841": ("98xx", "TLS 1.2", False),
}


@pytest.mark.parametrize(("number", "facts"), SERIES.items(), ids=SERIES.keys())
def test_models_of_all_series_that_use_trust_lists(number: str, facts: tuple[str, str, bool]) -> None:
    """Each is known; that the 69xx, the 8875 and the 98xx ask TVS is assumed, not confirmed."""
    model = find_model(number)
    assert (model.series, model.facts.tls, model.confirmed) == facts
    assert model.tvs
    assert parse_device(Phone("b000b4ba0aee", model).device) == (model, "B000B4BA0AEE")


def test_an_unknown_model_names_the_choices() -> None:
    """The sentence lists all known models."""
    with pytest.raises(ValueError, match=r"'CP-9999' is not a known model; known are 6901, .* 7975, .* 9841, .* 9971$"):
        find_model("CP-9999")
