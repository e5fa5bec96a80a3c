"""The arithmetic bound of a signature: its one symmetric product, at the rate of this machine."""

import numpy as np
import torch

from benchmarks.harness.clock import best


def bound(features: list[int], *, n: int, device: str) -> dict[str, float]:
    """Seconds of one symmetric float32 product (n, p) per tap, at this machine's rate.

    ``syrk``: NumPy's ``x @ x.T``. ``half_gemm``: half a general product, the faster of NumPy's
    and torch's. ``seconds`` takes the smaller one for every shape.
    """
    totals = {"syrk": 0.0, "half_gemm": 0.0, "seconds": 0.0}
    for p in sorted(set(features)):
        found = _rates(p, n=n, device=device)
        found["seconds"] = min(found.values())
        for name, value in found.items():
            totals[name] += features.count(p) * value
    return totals


def _rates(p: int, *, n: int, device: str) -> dict[str, float]:
    some = np.random.default_rng(0).standard_normal(2**16, dtype=np.float32)
    x = np.resize(some, (n, p))
    y = x.copy()
    a, b = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
    gemm = best(lambda: a @ b.T, device=device)
    if device.startswith("cuda"):
        return {"half_gemm": gemm / 2}
    return {"syrk": best(lambda: x @ x.T), "half_gemm": min(gemm, best(lambda: x @ y.T)) / 2}
