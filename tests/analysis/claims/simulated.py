"""Networks whose truth is known: comparisons of a planted CKA, and numbers of images around one."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.similarity import jackknifed

BATCHES, IMAGES = 8, 48


def facts(family: str, *, pooling: str = "CLS", **origin: Any) -> dict[str, Any]:
    """What a survey finds of a trained network."""
    nothing = {"data": "Fashion-MNIST", "fraction": 1.0, "start": None, "seed": 0}
    arguments = {"class_token": pooling == "CLS"}
    return {
        "family": family,
        "trained": True,
        "pooling": pooling,
        "skip_free": None,
        "built": {"from": family, "arguments": arguments},
        "origin": nothing | origin,
        "weights": repr((family, pooling, origin)),
    }


def falling(taps: int, rate: float) -> np.ndarray:
    """CKA that falls with the distance in layers."""
    place = np.arange(taps)
    return np.exp(-rate * np.abs(place - place[:, None]))


def walk(taps: int, *, start: int = 1) -> np.ndarray:
    """CKA of a random walk over the layers: the root of the ratio of their places."""
    place = np.arange(start, taps + start, dtype=float)
    return np.sqrt(np.minimum.outer(place, place) / np.maximum.outer(place, place))


def grouped(part: Sequence[int], *, inside: float, between: float) -> np.ndarray:
    """CKA of layers that fall into parts."""
    matrix = np.where(np.equal.outer(part, part), inside, between)
    np.fill_diagonal(matrix, 1)
    return matrix


def shuffled(matrix: np.ndarray, seed: int) -> np.ndarray:
    """The same layers in random order."""
    order = np.random.default_rng(seed).permutation(len(matrix))
    return matrix[np.ix_(order, order)]


def compared(
    planted: np.ndarray,
    models: Mapping[str, tuple[dict[str, Any], Sequence[str]]],
    *,
    baselines: Mapping[str, str] | None = None,
    seed: int = 0,
) -> ComparedModels:
    """A comparison of ``models``, each with facts and taps, whose CKA is about ``planted``.

    Signatures are drawn whose expected products it is: positive eigenvalues alone.
    """
    values, vectors = np.linalg.eigh((planted + planted.T) / 2)
    root = vectors * np.sqrt(np.maximum(values, 0))
    drawn = np.random.default_rng(seed).normal(size=(BATCHES, len(planted), 3000))
    signed = root @ drawn
    names = [name for name, (_, taps) in models.items() for _ in taps]
    own = {name: f for name, (f, _) in models.items() if name not in (baselines or {}).values()}
    return ComparedModels(
        parts=signed @ signed.transpose(0, 2, 1),
        model=names,
        families={name: f["family"] for name, f in own.items()},
        baselines=baselines or {},
        tap=[tap for _, taps in models.values() for tap in taps],
        facts=own,
        images=[64] * BATCHES,
    )


def of_one(planted: np.ndarray, family: str, taps: Sequence[str] | None = None) -> ComparedModels:
    """A comparison of one model."""
    return compared(planted, {family: (facts(family), taps or names(len(planted)))})


def of_two(first: np.ndarray, second: np.ndarray, across: np.ndarray) -> ComparedModels:
    """A comparison of a ViT and a ResNet; ``across`` has the ResNet's rows."""
    planted = np.block([[first, across.T], [across, second]])
    each = {"vit": names(len(first)), "resnet": names(len(second))}
    return compared(planted, {name: (facts(name), taps) for name, taps in each.items()})


def names(count: int) -> list[str]:
    return [f"blocks.{i}" for i in range(count)]


def around(values: Sequence[float] | np.ndarray, *, spread: float = 0.05, seed: int = 0):
    """Numbers of images around ``values`` (k,), jackknifed."""
    drawn = np.random.default_rng(seed).normal(size=(IMAGES, len(values)))
    return jackknifed(np.asarray(values, float) + spread * drawn)


def result(model: str, family: str, own: xr.Dataset, **known: Any) -> ModelResult:
    """One analysis of a network, without an untrained one."""
    return ModelResult(model, family, own, None, facts(family, **known))


def attention(lowest: Sequence[float], highest: Sequence[float]) -> xr.Dataset:
    """Mean distances in pixels of the heads of two lowest and two highest blocks; patches of 4."""
    distances = [*lowest, *lowest, *highest, *highest]
    block = np.repeat(np.arange(4), [len(lowest)] * 2 + [len(highest)] * 2)
    dataset = xr.Dataset(
        {
            "plain_uniform": ("head", np.full(len(distances), 16.0)),
            "renormalised_uniform": ("head", np.full(len(distances), 16.0)),
        },
        {"block_number": ("head", block), "patch": ("head", np.full(len(distances), 4.0))},
    )
    around(distances).enter(dataset, "plain", "head")
    return dataset


def fields(
    *, after: float, before: float, low: float, high: float, even: float = 15.0
) -> xr.Dataset:
    """Centre shares after and before the sum, and 95 % radii of low and high layers."""
    roles = ["after", "before"] * 4
    radii = np.repeat([low, low, high, high], 2)
    shares = [after if role == "after" else before for role in roles]
    dataset = xr.Dataset(
        {"radius_95_uniform": ("layer", np.full(8, even))},
        {"role": ("layer", roles), "kind": ("layer", ["attention"] * 8)},
    )
    around(shares, spread=0.02).enter(dataset, "centre_share", "layer")
    around(radii, spread=0.2).enter(dataset, "radius_95", "layer")
    return dataset


def skips(class_token: Sequence[float], patches: Sequence[float]) -> xr.Dataset:
    """Norm ratios of residual sums, of the class token (none for a ResNet) and of patches."""
    tokens = ["cls"] * len(class_token) + ["spatial"] * len(patches)
    dataset = xr.Dataset(
        coords={"token": ("sum", tokens), "kind": ("sum", ["attention"] * len(tokens))}
    )
    around([*class_token, *patches]).enter(dataset, "ratio", "sum")
    return dataset


def localized(share: float) -> xr.Dataset:
    """The share of localized tokens at the last block but one."""
    dataset = xr.Dataset(
        coords={
            "is_block": ("layer", [True] * 3),
            "patches": ("layer", ["pixels"] * 3),
            "kind": ("layer", ["tokens"] * 3),
        }
    )
    for name in ("share", "soft", "inside_share", "inside_soft"):
        around([0.9, share, 0.1], spread=0.02).enter(dataset, name, "layer")
    return dataset


def probed(
    by_depth: Sequence[float],
    *,
    token: float = 0.5,
    class_token: float = 0.5,
    source: str = "sample",
) -> xr.Dataset:
    """Accuracy by depth of the mean of tokens, and at the last tap of single ones."""
    taps = [f"blocks.{i}" for i in range(len(by_depth))]
    features = ["mean"] * len(taps) + ["cls", "token", "token"]
    dataset = xr.Dataset(
        coords={
            "tap": ("probe", [*taps, *taps[-1:] * 3]),
            "feature": ("probe", features),
            "shots": ("probe", [10] * len(features)),
        },
        attrs={"images": {"source": source}},
    )
    around([*by_depth, class_token, token, token], spread=0.02).enter(dataset, "accuracy", "probe")
    return dataset
