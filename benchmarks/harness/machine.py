"""The machine and the versions behind the numbers, without a path."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_info

from benchmarks.harness.peers import PEERS
from seelike.tasks.runtime.versions import versions


def machine(device: str) -> dict[str, Any]:
    """Processor, memory, BLAS, threads, versions, and how busy the machine was at the start."""
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "processor": _processor(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "blas": _blas(),
        "torch_threads": torch.get_num_threads(),
        "settings": {k: os.environ[k] for k in SETTINGS if k in os.environ},
        "load_before": round(os.getloadavg()[0], 2),
        "system": platform.system(),
        "versions": versions(),
        "peers": {name: _version(peer.package) for name, peer in PEERS.items()},
    }
    return found


# Environment variables that change the measurements.
SETTINGS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OPENBLAS_CORETYPE",
    "MALLOC_TRIM_THRESHOLD_",
)


def cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_bytes(device: str = "cpu") -> int:
    """The memory of ``device``: the machine's, or a GPU's own."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _blas() -> list[str]:
    return [
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '')}, "
        f"{pool['num_threads']} threads)"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
