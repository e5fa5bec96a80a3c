"""Item 7: error of CKA against float64 on inputs that are hard for float32."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.harness import markdown, product
from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.peers import PEERS, Loader, installed
from benchmarks.statistics.hostile import INPUTS, Features, pairs
from seelike.analysis.errors import AnalysisError
from seelike.tasks.recording.signatures import signatures_of

FULL = {"batches": 4, "batch": 64, "tokens": 16, "width": 48, "seeds": 3}
TOY = {"batches": 2, "batch": 16, "tokens": 4, "width": 8, "seeds": 1}
GOAL = 1e-4

Answer = tuple[float | None, str]


def measure(*, quick: bool, device: str) -> Result:
    """The largest error by input and way, over related and independent features and seeds."""
    size = TOY if quick else FULL
    ways = {"seelike": None, **installed()}
    errors: dict[str, dict[str, Any]] = {name: {} for name in INPUTS}
    for name, make in INPUTS.items():
        for way in ways:
            answers = [
                _error(way, *make(x, y), device)
                for seed in range(size["seeds"])
                for x, y in pairs(size, seed)
            ]
            failed = [message for error, message in answers if error is None]
            numbers = [error for error, _ in answers if error is not None]
            errors[name][way] = {
                "error": max(numbers) if numbers and not failed else None,
                "failed": failed[0] if failed else "",
            }
    return {**size, "errors": errors}


def _error(way: str, x: Features, y: Features, device: str) -> Answer:
    """The distance from float64, or the package's message in place of a number."""
    x, y = x.astype(np.float32), y.astype(np.float32)
    expected = reference(x, y)
    if way != "seelike" and PEERS[way].clamps:
        expected = min(max(expected, 0.0), 1.0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = seelike(x, y) if way == "seelike" else of_peer(way, x, y, device)
    except (AnalysisError, AssertionError, ValueError, RuntimeError) as error:
        return None, f"{type(error).__name__}: {error}".splitlines()[0][:80]
    if not np.isfinite(found):
        return None, str(found)
    return abs(found - expected), ""


def reference(x: Features, y: Features) -> float:
    """Minibatch CKA in float64, written out: HSIC_1 of Song et al. (2012), then the ratio."""
    xx = xy = yy = 0.0
    # Neither a scale nor a shift changes CKA, and without them float64 has digits to spare.
    scale_x, scale_y = (np.abs(z).max().astype(np.float64) for z in (x, y))
    for a, b in zip(x, y, strict=True):
        kernel_a, kernel_b = _gram64(a / scale_x), _gram64(b / scale_y)
        xx += _hsic1(kernel_a, kernel_a)
        xy += _hsic1(kernel_a, kernel_b)
        yy += _hsic1(kernel_b, kernel_b)
    return float(xy / np.sqrt(xx * yy))


def _gram64(x: np.ndarray) -> np.ndarray:
    flat = x.reshape(len(x), -1)
    flat = flat - flat.mean(axis=0)
    kernel: np.ndarray = flat @ flat.T
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _hsic1(a: np.ndarray, b: np.ndarray) -> float:
    """Unbiased HSIC of kernels (n, n) with zeros on the diagonal."""
    n = len(a)
    terms = (
        np.sum(a * b)
        + a.sum() * b.sum() / ((n - 1) * (n - 2))
        - 2 / (n - 2) * a.sum(axis=0) @ b.sum(axis=1)
    )
    return float(terms / (n * (n - 3)))


def seelike(x: Features, y: Features) -> float:
    """The product's way: signatures in float32, their cosines, the ratio over the batches."""
    recorded = [
        {tap: signatures_of(tap, batch, ["cka"])["cka"] for tap, batch in (("x", a), ("y", b))}
        for a, b in zip(x, y, strict=True)
    ]
    return float(product.cka(recorded)[0, 1])


class _Given(nn.Module):
    """A network whose tap ``tap`` gives one half of what comes in."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self.tap = nn.Identity()

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        given: torch.Tensor = self.tap(pair[:, self.side].clone())
        return given


def of_peer(way: str, x: Features, y: Features, device: str) -> float:
    """A peer's CKA of two networks whose taps give ``x`` and ``y``."""
    pairs = [torch.from_numpy(np.stack(both, axis=1)) for both in zip(x, y, strict=True)]
    loader = Loader([pair.to(device) for pair in pairs])
    matrix = installed()[way].pairs(_Given(0), _Given(1), ["tap"], ["tap"], loader, device)
    return float(matrix[0, 0])


def goals(result: Result) -> list[Goal]:
    """The worst input counts."""
    own = {name: by_way["seelike"] for name, by_way in result["errors"].items()}
    known = {name: found["error"] for name, found in own.items() if found["error"] is not None}
    worst = max(known, key=lambda name: known[name])
    whole = len(known) == len(own)
    return [
        Goal(
            "error of CKA against float64 on hostile inputs",
            f"<= {GOAL:.0e}",
            f"{known[worst]:.1e} ({worst})" if whole else "no number on some inputs",
            whole and known[worst] <= GOAL,
        )
    ]


def section(result: Result) -> str:
    """Errors by input and way."""
    ways = list(next(iter(result["errors"].values())))
    rows = [
        (name, *(_cell(by_way[way]) for way in ways)) for name, by_way in result["errors"].items()
    ]
    p = result["tokens"] * result["width"]
    clamping = [name for name, peer in PEERS.items() if peer.clamps]
    return "\n\n".join(
        (
            f"|CKA - CKA in float64|, the largest over related and independent features and "
            f"{result['seeds']} seeds: {result['batches']} batches of {result['batch']} images, "
            f"{p} normal features, minibatch unbiased CKA in every package. "
            f"Where a package clamps CKA to [0, 1] ({markdown.listed(clamping)}), so is float64's.",
            markdown.table(("input", *ways), rows),
        )
    )


def _cell(found: dict[str, Any]) -> str:
    return found["failed"] or f"{found['error']:.1e}"


ITEM = Item("accuracy", "Numerical error", measure, goals, section)
