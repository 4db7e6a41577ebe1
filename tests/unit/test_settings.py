"""Settings: frozen, and fingerprinted by everything that changes a result."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from chaffinch.settings import METHODS, LeakSettings, MeasureSettings, ScanSettings

OTHER = {"level": "hashes", "max_pixels": 1, "thumbnail_px": 1, "version": 10_000}


def test_fingerprint__is_16_hex_digits_and_repeatable() -> None:
    fingerprint = MeasureSettings().fingerprint()
    assert len(fingerprint) == 16
    assert int(fingerprint, 16) >= 0
    assert MeasureSettings().fingerprint() == fingerprint


@pytest.mark.parametrize("name", [f.name for f in fields(MeasureSettings)])
def test_fingerprint__changes_with_every_field(name: str) -> None:
    changed = replace(MeasureSettings(), **{name: OTHER[name]})
    assert changed.fingerprint() != MeasureSettings().fingerprint()


@pytest.mark.parametrize("settings", [MeasureSettings(), ScanSettings(), LeakSettings()])
def test_settings__are_frozen(settings: object) -> None:
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(settings, fields(settings)[0].name, 1)  # type: ignore[arg-type]


def test_n_workers__zero_means_the_cores_this_process_may_use() -> None:
    assert ScanSettings(workers=3).n_workers() == 3
    assert ScanSettings().n_workers() == len(os.sched_getaffinity(0))


def test_leak_settings__defaults_are_the_guides() -> None:
    assert LeakSettings().phash_threshold == 5
    assert LeakSettings().semantic_threshold is None
    assert set(LeakSettings().methods) <= set(METHODS)
