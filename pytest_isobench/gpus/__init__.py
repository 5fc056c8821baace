"""The GPUs of this machine; no GPU is an empty tuple, never an error."""

from __future__ import annotations

import os
from functools import cache

from pytest_isobench.errors import MissingExtraError, NotEvaluableError
from pytest_isobench.gpus.devices import Driver, libraries
from pytest_isobench.gpus.inventory import VARIABLE, Gpu, Inventory, matching, visible
from pytest_isobench.gpus.nvml import Nvml
from pytest_isobench.gpus.smi import Smi

__all__ = ["VARIABLE", "Driver", "Gpu", "Inventory", "libraries", "local_inventory", "matching", "usable", "visible"]


@cache
def local_inventory() -> Inventory:
    """Return the best way to look at this machine's GPUs."""
    try:
        return Nvml()
    except (MissingExtraError, NotEvaluableError):
        return Smi()


def usable(model: str | None = None) -> tuple[Gpu, ...]:
    """Return the devices that this process may use, of models whose name contains `model`."""
    return matching(visible(local_inventory().devices(), os.environ.get(VARIABLE)), model)
