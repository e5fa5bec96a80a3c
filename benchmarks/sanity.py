"""Kornblith's sanity check: is a layer's best match in a twin of another seed the same layer?"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from analysis.similarity import intervals
from analysis.similarity.ceilings import matched_share
from analysis.similarity.measures import MEASURES
from benchmarks.item import Goal, Item, Result
from benchmarks.markdown import table
from flows.compare import compare
from flows.study import Study

# The first and the second seed of each architecture of the shipped zoo.
TWINS = {"ViT": ("vit", "vit-seed1"), "ResNet": ("resnet", "resnet-seed1")}
# The measures that the check is about: CKA over all images is CKA, and has no batches.
NAMES = tuple(name for name in MEASURES if not name.endswith(("_exact", "_biased")))


def measure(*, quick: bool, device: str) -> Result:
    """The share of matched layers for every measure and architecture, with its interval."""
    with tempfile.TemporaryDirectory() as folder:
        asked = Study.model_validate(study(Path(folder), quick=quick, device=device))
        dataset = compare(asked).open().load()
        names = [name for name in NAMES if name in dataset]
        return {
            "images": dataset.attrs["images"]["count"],
            "batch": dataset.attrs["batch"],
            "layers": {
                family: int((dataset["model_a"] == seeds[0]).sum())
                for family, seeds in TWINS.items()
            },
            "titles": {name: dataset.attrs["measures"][name]["title"] for name in names},
            "shares": {
                name: {family: share(dataset, name, *seeds) for family, seeds in TWINS.items()}
                for name in names
            },
        }


def study(folder: Path, *, quick: bool, device: str) -> dict[str, Any]:
    """The twins on the shipped images by all measures."""
    return {
        "name": "sanity",
        "store": str(folder / "store"),
        "report": str(folder / "report"),
        "images": {"source": "sample", "count": 64 if quick else 2048},
        "models": [{"name": m, "zoo": m} for seeds in TWINS.values() for m in seeds],
        "taps": "blocks",
        "batch": 32 if quick else 256,
        "similarity": ["cka", "cka_rbf", "rsa"] if quick else list(NAMES),
        "baseline": False,
        "permutations": 0,
        "compute": {"device": device},
    }


def share(dataset: xr.Dataset, name: str, first: str, second: str) -> list[float]:
    """``matched_share`` of two models by one measure: value, low, high over batches."""
    rows = np.flatnonzero(dataset["model_a"].values == first)
    columns = np.flatnonzero(dataset["model_b"].values == second)
    value = matched_share(dataset[name].values[np.ix_(rows, columns)])
    parts = dataset[f"{name}_parts"].values[:, rows[:, None], columns]
    weights = intervals.resamples(len(parts), repeats=intervals.REPEATS, seed=intervals.SEED)
    drawn = [matched_share(np.tensordot(weight, parts, axes=1)) for weight in weights]
    low, high = np.quantile(drawn, [(1 - intervals.LEVEL) / 2, (1 + intervals.LEVEL) / 2])
    return [float(value), float(low), float(high)]


def goals(result: Result) -> list[Goal]:
    """Linear CKA above every measure that is no kind of CKA, on average over architectures."""
    mean = {name: np.mean([v[0] for v in by.values()]) for name, by in result["shares"].items()}
    others = {name: value for name, value in mean.items() if not name.startswith("cka")}
    best = max(others, key=lambda name: others[name])
    return [
        Goal(
            "Share of layers matched by linear CKA, against the best measure that is not CKA",
            "clearly higher",
            f"{mean['cka']:.0%} against {others[best]:.0%} ({result['titles'][best]})",
            bool(mean["cka"] > others[best] + 0.05),
        )
    ]


def section(result: Result) -> str:
    """The table of shares."""
    families = list(TWINS)
    rows = [
        (
            result["titles"][name],
            *(f"{v:.0%} [{low:.0%}, {high:.0%}]" for v, low, high in map(by.get, families)),
        )
        for name, by in result["shares"].items()
    ]
    layers = " and ".join(f"{count} of the {family}" for family, count in result["layers"].items())
    return (
        "Two seeds of each architecture of the shipped zoo, "
        f"{result['images']} images in batches of {result['batch']}, taps `blocks` ({layers}). "
        "The share of layers whose most similar layer in the other seed is the corresponding "
        "one, both directions averaged (Kornblith et al. 2019, section 6.1), with a 95 % "
        "bootstrap interval over batches.\n\n" + table(("measure", *families), rows)
    )


ITEM = Item("sanity", "Kornblith's sanity check", measure=measure, goals=goals, section=section)
