"""The contract, for every store, synchronous and asynchronous."""

from __future__ import annotations

import pytest

from tests.stores.contract import Contract


@pytest.mark.row("CK-24", "DS-09", "F-PR-07", "F-ST-13", "LT-14", "LT-16", "LT-18", "LT-19", "SF-05")
class TestContract(Contract):
    """The fixture ``store`` is each kind in turn."""
