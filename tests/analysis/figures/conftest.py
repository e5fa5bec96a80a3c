"""A made-up comparison: three networks and their untrained baselines."""

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

VIT = ("norm1", "attn", "norm2:input", "norm2", "mlp.fc1", "mlp.act", "mlp")
UNIT = ("conv1", "bn1", "act1", "conv2", "bn2", "act2")


def taps(model: str, kind: str) -> list[str]:
    """Tap names of the reference zoo's ``model``: 9 of ``kind`` blocks, 57 to 66 of ``paper``."""
    if model == "resnet":
        units = [f"layer{stage}.{unit}" for stage in (1, 2, 3, 4) for unit in (0, 1)]
        inside, first, last = UNIT, ["act1"], []
    else:
        units = [f"blocks.{block}" for block in range(8)]
        inside = VIT
        first, last = ["patch_embed" if model == "vit" else "stem"], ["norm"]
    if kind == "blocks":
        return first + units
    return first + [tap for u in units for tap in (*(f"{u}.{i}" for i in inside), u)] + last


def features(model: str, name: str, depth: float) -> np.ndarray:
    """A unit vector (12,) whose cosines are the made-up CKA."""
    untrained = model.endswith("-untrained")
    family = model.removesuffix("-untrained")
    reach = {"vit": 0.7, "resnet": 1.5, "mixer": 1.0}[family] * (0.35 if untrained else 1)
    stage = np.floor(depth * 3.999) / 4 if family == "resnet" and not untrained else depth
    angle = reach * (0.6 * depth + 0.4 * stage)
    branch = 0.35 * (zlib.crc32(name.split(".")[-1].encode()) % 97) / 97 * (name.count(".") > 1)
    vector = np.zeros(12)
    vector[0] = 1.0
    vector[1], vector[2] = np.cos(2 * angle), np.sin(2 * angle)
    own = {"vit": 3, "resnet": 4, "mixer": 5}[family]
    vector[own] = 1.8 * max(0.0, depth - 0.25) if not untrained else 0.5
    vector[6 + own - 3] = 2 * branch
    vector[10] = 1.2 if untrained else 0.2
    vector[11] = -0.3 if untrained else 0.4
    return vector / np.linalg.norm(vector)


def make(*, kind: str = "blocks", families: tuple[str, ...] = ("vit", "resnet", "mixer")):
    """A comparison of ``families`` and their untrained baselines on taps of ``kind``."""
    columns: dict[str, list] = {k: [] for k in ("model", "tap", "depth", "trained", "baseline_of")}
    vectors = []
    for model in [*families, *(f"{f}-untrained" for f in families)]:
        family = model.removesuffix("-untrained")
        names = taps(family, kind)
        for index, name in enumerate(names):
            depth = index / (len(names) - 1)
            vectors.append(features(model, name, depth))
            columns["model"].append(model)
            columns["tap"].append(name)
            columns["depth"].append(depth)
            columns["trained"].append(model == family)
            columns["baseline_of"].append("" if model == family else family)
    cosine = np.clip(np.stack(vectors) @ np.stack(vectors).T, -1, 1) ** 3
    np.fill_diagonal(cosine, 1)
    wide = 0.06 * (1 - cosine**2)
    values = {"cka": cosine, "cka_low": cosine - wide, "cka_high": np.minimum(1, cosine + wide)}
    coordinates = {
        f"{key}_{side}": (f"tap_{side}", np.array(column, dtype=object if key in TEXTS else None))
        for side in "ab"
        for key, column in columns.items()
    }
    return xr.Dataset(
        {name: (("tap_a", "tap_b"), value) for name, value in values.items()}, coords=coordinates
    )


TEXTS = ("model", "tap", "baseline_of")
TITLES = {
    "cka": "Minibatch CKA",
    "cka_exact": "exact CKA over all images",
    "predictivity": "linear predictivity, held-out R² of a ridge regression",
}


def measure() -> xr.Dataset:
    """The comparison by further measures: one near CKA, one that differs both ways, one of p."""
    comparison = make()
    noise = np.random.default_rng(0).normal(size=comparison["cka"].shape)
    dims, cka = ("tap_a", "tap_b"), comparison["cka"].values
    models = list(dict.fromkeys(comparison["model_a"].values))
    further = {
        "cka_exact": (dims, cka + 0.01 * (noise + noise.T)),
        "predictivity": (dims, cka - 0.1 - 0.02 * np.abs(noise)),
        "cka_p": (dims, np.exp(-3 * cka)),
        "cka_q": (dims, np.exp(-2 * cka)),
        "cka_critical": (dims, 0.2 * cka),
        "cka_calibrated": (dims, 0.8 * cka),
        "cka_best_q": (("tap_a", "other_model"), np.abs(noise[:, : len(models)]) / 10),
        "cka_parts": (("batch", *dims), np.stack([cka / 2, cka / 2])),
    }
    labelled = comparison.assign_coords(other_model=np.array(models, object))
    titles = {name: {"title": title, "source": "somebody 2019"} for name, title in TITLES.items()}
    return labelled.assign(further).assign_attrs(measures=titles)


@pytest.fixture(scope="session")
def comparison() -> xr.Dataset:
    return make()


@pytest.fixture(scope="session")
def measured() -> xr.Dataset:
    return measure()


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., xr.Dataset]:
    return make
