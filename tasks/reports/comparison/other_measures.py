"""Sections on measures beyond minibatch CKA: agreement with exact CKA, sweep, other measures."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.storage.digest import slug
from seelike.storage.reports.write import Section, Table
from seelike.tasks.comparison.undefined import defined_layers, undefined_words
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.wording import capitalize

# Variants of CKA over all images stand beside the minibatch estimate, not among other measures.
EXACT = "cka_exact"
ALL_IMAGES = (EXACT, "cka_biased", "cka_rbf_exact", "cka_rbf_biased")


def linear_agreement(view: ComparisonView) -> Section | None:
    """Build the section on linear CKA in batches against CKA over all images."""
    return _agreement(view.shown, "cka", EXACT)


def rbf_agreement(view: ComparisonView) -> Section | None:
    """Build the section on CKA with an RBF kernel in batches against that over all images."""
    return _agreement(view.shown, "cka_rbf", "cka_rbf_exact")


def _agreement(view: ComparisonView, name: str, reference: str) -> Section | None:
    if not {name, reference} <= set(view.measures):
        return None
    return agreement(view.dataset, view.models, name, reference)


def other_measures(view: ComparisonView) -> Section | None:
    """Build the section with the same pairs by other measures, each with its source."""
    names = [name for name in view.measures if name != "cka" and name not in ALL_IMAGES]
    if not names:
        return None
    return by_measures(view.shown.dataset, view.shown.models, names)


def agreement(dataset: xr.Dataset, models: Sequence[str], name: str, reference: str) -> Section:
    """Section on a minibatch estimate against the same measure over all images at once."""
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
                caption=f"{titles[name]} in batches against {titles[reference]}, a dot per pair "
                "of layers.",
                models=models,
            ),
        ),
    )


def sweep(view: ComparisonView) -> Section | None:
    """Build the section on the error of minibatch CKA by images and batch size."""
    dataset = view.dataset
    if "sweep_error_mean" not in dataset:
        return None
    error = dataset["sweep_error_mean"]
    last = error.isel(images=-1)
    nearest = int(last["batch_size"].values[int(np.nanargmin(last.values))])
    words = f"With all images minibatch CKA is nearest to exact CKA at {nearest} images per batch."
    table = Table(
        ("images", *(f"{int(size)} per batch" for size in error["batch_size"].values)),
        tuple(
            (int(n), *(None if np.isnan(v) else float(v) for v in row))
            for n, row in zip(error["images"].values, error.values, strict=True)
        ),
        caption="Mean distance of minibatch CKA from exact CKA over all images, by images used and "
        "images per batch.",
        decimals=4,
    )
    drawing = draw.sweep(
        xr.Dataset(
            {"error_mean": error, "error_max": dataset["sweep_error_max"]},
            attrs={"reference": "CKA over all images"},
        )
    )
    caption = "Distance of minibatch CKA from exact CKA by images used, a line per batch size."
    return Section(
        "Images and batch size",
        paragraphs=(words,),
        figures=(render_figure("sweep", drawing, alt=words, caption=caption),),
        tables=(table,),
    )


def by_measures(dataset: xr.Dataset, models: Sequence[str], names: Sequence[str]) -> Section:
    """Section on the measures ``names``."""
    about: dict[str, Any] = dataset.attrs["measures"]
    titles = {name: capitalize(about[name]["title"]) for name in names}
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
                draw.all_pairs(dataset, models, measure=name),
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


def agreement_words(dataset: xr.Dataset, name: str, models: Sequence[str]) -> Iterator[str]:
    """Correlation of a measure with CKA over pairs of layers."""
    if defined_layers(dataset, name, models) < 2:
        return
    apart = draw.differences(dataset, name, "cka", models=models)
    if apart.correlation is not None:
        yield (
            f"Its correlation with CKA over {apart.pairs} pairs of layers is "
            f"{apart.correlation:.2f}."
        )
