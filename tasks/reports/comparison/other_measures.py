"""The sections of a report beyond E1 and E2: chance, seeds, exactness, other measures, sweep."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.claims.relations import models_in_pairs
from seelike.storage.digest import slug
from seelike.storage.reports.write import Section, Table
from seelike.tasks.comparison.undefined import defined_layers, undefined_words
from seelike.tasks.reports.comparison.chance import chance
from seelike.tasks.reports.comparison.seeds import by_seed, seeds_of
from seelike.tasks.reports.elements.figures import render_figure

# Variants of CKA over all images stand beside the minibatch estimate, not among other measures.
EXACT = "cka_exact"
ALL_IMAGES = (EXACT, "cka_biased", "cka_rbf_exact", "cka_rbf_biased")


def further_sections(dataset: xr.Dataset, measured: ComparedModels) -> Iterator[Section]:
    """Those that the comparison has the numbers for, in reading order."""
    models = models_in_pairs(dataset, list(measured.families))
    names = list(dataset.attrs["measures"])
    if "cka_p" in dataset and len(models) > 1:
        yield chance(dataset, models, names)
    seeds = seeds_of(dataset, measured)
    if seeds.architectures:
        yield by_seed(dataset, seeds, beside=models)
    yield from (
        agreement(dataset, models, name, reference)
        for name, reference in (("cka", EXACT), ("cka_rbf", "cka_rbf_exact"))
        if name in names and reference in names
    )
    if "sweep_error_mean" in dataset:
        yield sweep(dataset)
    others = [name for name in names if name != "cka" and name not in ALL_IMAGES]
    if others:
        yield other_measures(dataset, models, others)


def agreement(dataset: xr.Dataset, models: Sequence[str], name: str, reference: str) -> Section:
    """The minibatch estimate against the same over all images at once."""
    apart = draw.differences(dataset, name, reference, models=models)
    titles = {m: dataset.attrs["measures"][m]["title"] for m in (name, reference)}
    words = (
        f"Over {apart.pairs} pairs of layers, {titles[name]} in batches of "
        f"{dataset.attrs['batch']} differs from {titles[reference]} by {apart.mean:.4f} on average "
        f"and {apart.largest:.4f} at most."
    )
    return Section(
        f"{titles[name]} in batches against {titles[reference]}",
        paragraphs=(words,),
        figures=(
            render_figure(
                f"agreement-{slug(name)}",
                draw.agreement(dataset, name, reference, models=models),
                alt=words,
                caption=f"{titles[name]} in batches against {titles[reference]}, a dot a pair of "
                "layers.",
                models=models,
            ),
        ),
    )


def sweep(dataset: xr.Dataset) -> Section:
    """How far minibatch CKA is from exact CKA with fewer images and smaller batches."""
    error = dataset["sweep_error_mean"]
    last = error.isel(images=-1)
    words = " ".join(
        [
            f"With all {int(error['images'].values[-1])} images the mean distance from exact CKA "
            "is",
            ", ".join(
                f"{float(last.sel(batch_size=size)):.4f} at batches of {int(size)}"
                for size in error["batch_size"].values
            )
            + ".",
        ]
    )
    table = Table(
        ("images", *(f"batches of {int(size)}" for size in error["batch_size"].values)),
        tuple(
            (int(n), *(None if np.isnan(v) else float(v) for v in row))
            for n, row in zip(error["images"].values, error.values, strict=True)
        ),
        caption="Mean distance of minibatch CKA from exact CKA over all images.",
        decimals=4,
    )
    drawing = draw.sweep(
        xr.Dataset(
            {"error_mean": error, "error_max": dataset["sweep_error_max"]},
            attrs={"reference": "CKA over all images"},
        )
    )
    caption = "Distance of minibatch CKA from exact CKA by images used, a line a batch size."
    return Section(
        "How many images, how large a batch",
        paragraphs=(words,),
        figures=(render_figure("sweep", drawing, alt=words, caption=caption),),
        tables=(table,),
    )


def other_measures(dataset: xr.Dataset, models: Sequence[str], names: Sequence[str]) -> Section:
    """The same pairs by other measures, each with its source."""
    about: dict[str, Any] = dataset.attrs["measures"]
    titles = {name: _sentence(about[name]["title"]) for name in names}
    return Section(
        "By other measures",
        paragraphs=tuple(
            " ".join(
                (
                    f"{titles[name]}: {about[name]['source']}.",
                    *agreement_words(dataset, name, models),
                    *undefined_words(dataset, name, models),
                )
            )
            for name in names
        ),
        figures=tuple(
            render_figure(
                f"all-pairs-{slug(name)}",
                draw.grid(dataset, models, measure=name),
                alt=f"{titles[name]} of all layers of all models. "
                + " ".join(agreement_words(dataset, name, models)),
                caption=f"{titles[name]} of every layer of every model with every other.",
                data="cka",
                explorer=draw.explorer(dataset, models, models, measure=name),
                models=models,
            )
            for name in names
        ),
    )


def _sentence(words: str) -> str:
    """``words`` as a sentence begins with them."""
    return words[0].upper() + words[1:]


def agreement_words(dataset: xr.Dataset, name: str, models: Sequence[str]) -> Iterator[str]:
    """How a measure orders the pairs of layers compared with CKA."""
    if defined_layers(dataset, name, models) < 2:
        return
    apart = draw.differences(dataset, name, "cka", models=models)
    if apart.correlation is not None:
        yield (
            f"Its correlation with CKA over {apart.pairs} pairs of layers is "
            f"{apart.correlation:.2f}."
        )
