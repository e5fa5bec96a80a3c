"""Kornblith's sanity check: is a layer's best match in another seed the same layer?"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.harness.item import Goal, Item, Result
from benchmarks.harness.markdown import table
from seelike.analysis.similarity.intervals.ceilings import matched_share
from seelike.analysis.similarity.measures import MEASURES
from seelike.flows.compare import compare
from seelike.flows.study.study import Study

# The first and the second seed of each architecture of the shipped zoo.
SEEDS = {"ViT": ("vit", "vit-seed1"), "ResNet": ("resnet", "resnet-seed1")}
# The measures that the check is about: CKA over all images is CKA, and has no batches.
NAMES = tuple(name for name in MEASURES if not name.endswith(("_exact", "_biased")))
# Flattened taps have more components than a batch has images, where CCA is not defined.
WIDE = tuple(name for name in NAMES if name not in ("svcca", "pwcca"))
REDUCTIONS = {"flatten": WIDE, "mean": NAMES}


def measure(*, quick: bool, device: str) -> Result:
    """The share of matched layers for every reduction, measure and architecture."""
    asked = {"flatten": ("cka", "rsa")} if quick else REDUCTIONS
    return {
        reduction: compared(reduction, names, quick=quick, device=device)
        for reduction, names in asked.items()
    }


def compared(reduction: str, names: tuple[str, ...], *, quick: bool, device: str) -> Result:
    """The shares under one reduction."""
    with tempfile.TemporaryDirectory() as folder:
        asked = study(Path(folder), reduction, names, quick=quick, device=device)
        dataset = compare(Study.model_validate(asked)).open().load()
        return {
            "images": dataset.attrs["images"]["count"],
            "batch": dataset.attrs["batch"],
            "layers": {
                family: int((dataset["model_a"] == seeds[0]).sum())
                for family, seeds in SEEDS.items()
            },
            "titles": {name: dataset.attrs["measures"][name]["title"] for name in names},
            "shares": {
                name: {family: share(dataset, name, *seeds) for family, seeds in SEEDS.items()}
                for name in names
            },
        }


def study(
    folder: Path, reduction: str, names: tuple[str, ...], *, quick: bool, device: str
) -> dict[str, Any]:
    """Both seeds on the shipped images, by the measures ``names``."""
    return {
        "name": "sanity",
        "store": str(folder / "store"),
        "report": str(folder / "report"),
        "images": {"source": "sample", "count": 64 if quick else 2048},
        "models": [{"name": m, "zoo": m} for seeds in SEEDS.values() for m in seeds],
        "taps": "blocks",
        "reduction": reduction,
        "batch": 32 if quick else 256,
        "similarity": list(names),
        "baseline": False,
        "permutations": 0,
        "compute": {"device": device},
    }


def share(dataset: xr.Dataset, name: str, first: str, second: str) -> list[float]:
    """``matched_share`` of two models by one measure: a count, which has no interval."""
    rows = np.flatnonzero(dataset["model_a"].values == first)
    columns = np.flatnonzero(dataset["model_b"].values == second)
    return [matched_share(dataset[name].values[np.ix_(rows, columns)])]


def goals(result: Result) -> list[Goal]:
    """Linear CKA above every measure that is no kind of CKA, on average over architectures."""
    return [_goal(reduction, found) for reduction, found in result.items()]


def _goal(reduction: str, found: Result) -> Goal:
    mean = {name: np.mean([v[0] for v in by.values()]) for name, by in found["shares"].items()}
    others = {name: value for name, value in mean.items() if not name.startswith("cka")}
    best = max(others, key=lambda name: others[name])
    return Goal(
        f"share of layers matched by linear CKA, reduction {reduction}, against the best measure "
        "that is no CKA",
        "clearly higher (by 5 points)",
        f"{mean['cka']:.0%} against {others[best]:.0%} ({found['titles'][best]})",
        bool(mean["cka"] >= others[best] + 0.05),
    )


def section(result: Result) -> str:
    """The tables of shares, one per reduction."""
    return (
        "The share of layers whose most similar layer in a network of another seed is the "
        "corresponding one, both directions averaged (Kornblith et al. 2019, section 6.1). Two "
        "seeds of the ViT and of the ResNet of the shipped zoo.\n\n"
        + "\n\n".join(_table(*found) for found in result.items())
    )


def _table(reduction: str, found: Result) -> str:
    families = list(SEEDS)
    rows = [
        (
            found["titles"][name],
            *(f"{by[family][0]:.0%}" for family in families),
        )
        for name, by in found["shares"].items()
    ]
    layers = " and ".join(f"{count} of the {family}" for family, count in found["layers"].items())
    about = (
        f"Reduction `{reduction}`, taps `blocks` ({layers}), {found['images']} images in batches "
        f"of {found['batch']}:"
    )
    return f"{about}\n\n{table(('measure', *families), rows)}"


ITEM = Item("sanity", "Kornblith's sanity check", measure=measure, goals=goals, section=section)
