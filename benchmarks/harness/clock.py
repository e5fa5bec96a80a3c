"""Timing calls side by side: interleaved within one run, medians with their extremes."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch

P = ParamSpec("P")
T = TypeVar("T")


class Run(NamedTuple):
    """One timed call: its wall-clock seconds and what it returned."""

    seconds: float
    value: Any


def timed(call: Callable[[], object], *, device: str = "cpu") -> Run:
    """Run ``call`` once, garbage collected before, and the device's work done at both ends."""
    gc.collect()
    synchronise(device)
    start = time.perf_counter()
    value = call()
    synchronise(device)
    return Run(time.perf_counter() - start, value)


def interleaved(
    calls: Mapping[str, Callable[[], object]], *, repeats: int, device: str = "cpu"
) -> dict[str, list[Run]]:
    """Run every call ``repeats`` times, in rounds (A B A B): drifts affect all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            runs[name].append(timed(call, device=device))
    return runs


def synchronise(device: str) -> None:
    """Wait for what was queued on a GPU."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def spread(values: Iterable[float]) -> dict[str, Any]:
    """Median, extremes, and all ``values`` in the order they were measured."""
    found = [float(v) for v in values]
    return {
        "median": statistics.median(found),
        "min": min(found),
        "max": max(found),
        "all": found,
    }


def best(call: Callable[[], object], *, repeats: int = 3, device: str = "cpu") -> float:
    """The shortest of several runs: what the machine can do."""
    found = []
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        call()
        synchronise(device)
        found.append(time.perf_counter() - start)
    return min(found)


class Stopwatch:
    """The seconds spent inside a function, over all its calls."""

    def __init__(self, *, device: str = "cpu") -> None:
        self.device = device
        self.seconds = 0.0

    def around(self, function: Callable[P, T]) -> Callable[P, T]:
        """``function`` with its time added to ``seconds``."""

        def watched(*args: P.args, **kwargs: P.kwargs) -> T:
            synchronise(self.device)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                synchronise(self.device)
                self.seconds += time.perf_counter() - start

        return watched


def exponent(points: Iterable[tuple[float, float]]) -> float | None:
    """The slope b of y = a x^b by least squares of the logarithms; None if it has no fit."""
    usable = [(x, y) for x, y in points if x > 0 and y > 0]
    if len({x for x, _ in usable}) < 2:
        return None
    x, y = np.log(np.array(usable)).T
    return float(np.polyfit(x, y, 1)[0])
