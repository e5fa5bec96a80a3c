"""Number of cores that this process may use: the whole machine, or a worker's share of it."""

import os

_share: int | None = None


def cores() -> int:
    """Number of cores for threads that compute: the reserved share, or the system's limit."""
    if _share is not None:
        return _share
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def reserve(share: int) -> None:
    """Use ``share`` cores from now on, since other processes compute on the same machine.

    Call it before any computation: running threads stay.

    Raises:
        ValueError: For a share below 1.
    """
    global _share
    if share < 1:
        raise ValueError(f"a share of {share} cores, expected at least 1")
    _share = share
