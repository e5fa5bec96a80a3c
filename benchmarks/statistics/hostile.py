"""Activations that are hard for float32."""

from collections.abc import Callable

import numpy as np

Features = np.ndarray  # (batches, batch, tokens, width)


def pairs(size: dict[str, int], seed: int) -> list[tuple[Features, Features]]:
    """Features that have something in common, and features that have nothing."""
    shape = (size["batches"], size["batch"], size["tokens"], size["width"])
    rng = np.random.default_rng(seed)
    x, noise, other = (rng.standard_normal(shape) for _ in range(3))
    return [(x, x + noise), (x, other)]


def _plain(x: Features, y: Features) -> tuple[Features, Features]:
    return x, y


def _large_mean(x: Features, y: Features) -> tuple[Features, Features]:
    return x + 1000, y + 1000


def _mean_of_ten(x: Features, y: Features) -> tuple[Features, Features]:
    return x + 10, y + 10


def _tiny(x: Features, y: Features) -> tuple[Features, Features]:
    return 1e-12 * x, 1e-12 * y


def _huge(x: Features, y: Features) -> tuple[Features, Features]:
    return 1e15 * x, 1e15 * y


def _duplicated(x: Features, y: Features) -> tuple[Features, Features]:
    half = x.shape[1] // 2
    return tuple(np.concatenate([z[:, :half], z[:, :half]], axis=1) for z in (x, y))  # type: ignore[return-value]


def _outlier(x: Features, y: Features) -> tuple[Features, Features]:
    x, y = x.copy(), y.copy()
    x[:, 0, 0] *= 1e4
    y[:, 0, 0] *= 1e4
    return x, y


INPUTS: dict[str, Callable[[Features, Features], tuple[Features, Features]]] = {
    "normal noise": _plain,
    "mean 10": _mean_of_ten,
    "mean 1000": _large_mean,
    "scale 1e-12": _tiny,
    "scale 1e15": _huge,
    "every image twice": _duplicated,
    "one token x 10 000": _outlier,
}
