"""What every test starts with."""

from __future__ import annotations

import pytest

from checkup import secrets


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are redacted process-wide: one test's password would be taken out of another's texts."""
    monkeypatch.setattr(secrets, "_remembered", set[str]())
    monkeypatch.setattr(secrets, "_forms", ())
    monkeypatch.setattr(secrets, "_answers", dict[str, str]())
