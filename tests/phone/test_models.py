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
