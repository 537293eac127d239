"""Which cluster a run uses, and how."""

from __future__ import annotations

from dataclasses import dataclass

from academy.distributed.cluster import OBJECT_STORE_BYTES
from academy.distributed.errors import ClusterSettingsError

LEAST = {"workers": 0, "threads": 0, "retries": 0, "patience": 1.0, "store_bytes": 80 * 2**20}
"""Lowest values of the settings; Ray refuses a smaller object store."""


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Which cluster, and how it is used.

    Raises:
        ClusterSettingsError: A number is too small to work with.
    """

    address: str = ""
    """`host:port` of the head; empty = RAY_ADDRESS, and without it a cluster started here."""
    workers: int = 0
    """0 = as many as the cluster's processors allow."""
    threads: int = 0
    """Torch threads and processors of each worker; 0 = as many threads as this process has."""
    ship_base: bool = False
    """Send the base through the cluster instead of reading its path on every node."""
    retries: int = 3
    """How often one task may lose its worker."""
    patience: float = 60.0
    """Seconds without any worker before giving up."""
    alike: bool = True
    """Refuse workers whose arithmetic would differ from this process's in the last bits."""
    store_bytes: int = OBJECT_STORE_BYTES
    """Shared memory of a cluster started here."""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not (value := getattr(self, name)) >= least:
                raise ClusterSettingsError(
                    f"the Ray setting {name} must be {least:g} or more, not {value}"
                )
