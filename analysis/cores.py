"""How many cores this process may use: all of the machine's, or a worker's share of them."""

import os

_share: int | None = None


def cores() -> int:
    """Cores for threads that compute: the share that was taken, or what the system allows."""
    if _share is not None:
        return _share
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def take(share: int) -> None:
    """Use ``share`` cores from now on, since other processes compute on the same machine.

    Before anything is computed: threads that were started stay.
    """
    global _share
    if share < 1:
        raise ValueError(f"a share of {share} cores, expected at least 1")
    _share = share
