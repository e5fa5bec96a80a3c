"""The section of a report on seeds: how alike two trainings of one architecture are."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.claims.findings import ComparedModels
from seelike.analysis.claims.relations import relations
from seelike.analysis.similarity.intervals.ceilings import Ceiling, Seeds
from seelike.storage.digest import slug
from seelike.storage.reports.write import Section
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.methods.comparison import cka_method


def seeds_of(dataset: xr.Dataset, measured: ComparedModels) -> Seeds:
    """The trained models of one architecture that differ in their seed, where there are any."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for number, group in enumerate(relations(dataset).seeds()):
        for model in group:
            taps = dataset["tap_a"].values[dataset["model_a"].values == model].tolist()
            alike.setdefault((str(number), *taps), []).append(model)
    return Seeds(
        parts=measured.parts,
        model=measured.model,
        tap=[str(tap) for tap in dataset["tap_a"].values],
        architectures=[group for group in alike.values() if len(group) > 1],
        images=measured.images,
    )


def by_seed(dataset: xr.Dataset, seeds: Seeds, *, beside: Sequence[str]) -> Section:
    """How alike two trainings of one architecture are, beside the other models and their twins."""
    ceilings = seeds.ceilings()
    shares = [seeds.matched_share(one.first, one.second) for one in ceilings]
    words = tuple(
        f"{one.first} and {one.second}: corresponding layers have a mean CKA of "
        f"{one.cka.value.mean():.2f}, the least alike ({one.taps[int(one.cka.value.argmin())]}) "
        f"{one.cka.value.min():.2f}. The share of layers whose most similar layer in the other is "
        f"the corresponding one is {share:.2f}."
        for one, share in zip(ceilings, shares, strict=True)
    )
    return Section(
        "Across seeds: the ceiling",
        paragraphs=(
            "Two trainings of one architecture that differ in their seed alone show how alike "
            "layers can be expected to be at most.",
            *words,
        ),
        figures=tuple(
            render_figure(
                f"ceiling-{slug(one.first)}-{slug(one.second)}",
                draw.ceiling(
                    curves(dataset, one, beside=beside), title=f"{one.first} and {one.second}"
                ),
                alt=text,
                caption=f"CKA of {one.first}'s layers with the same layers of {one.second} (bold), "
                "and with the most similar layer of each other model.",
            )
            for one, text in zip(ceilings, words, strict=True)
        ),
        method=cka_method(dataset),
    )


def curves(dataset: xr.Dataset, ceiling: Ceiling, *, beside: Sequence[str]) -> list[draw.Curve]:
    """The ceiling of two seeds by depth, beside the first one's best matches in other models.

    These are the models ``beside`` and their untrained twins.
    """
    own = dataset.isel(tap_a=np.flatnonzero(dataset["model_a"].values == ceiling.first))
    depth = own["depth_a"].values
    made = [
        draw.Curve(
            f"the same layer of {ceiling.second}",
            depth,
            ceiling.cka.value,
            ceiling.cka.low,
            ceiling.cka.high,
            kind="ceiling",
        )
    ]
    for other in dict.fromkeys(str(model) for model in own["model_b"].values):
        if other in (ceiling.first, ceiling.second):
            continue
        cells = own.isel(tap_b=np.flatnonzero(own["model_b"].values == other))
        if not {other, str(cells["baseline_of_b"].values[0])} & {*beside, ceiling.second}:
            continue
        best = cells["cka"].values.argmax(axis=1)
        at = (np.arange(len(best)), best)
        bounds = [cells[f"cka_{end}"].values[at] if "cka_low" in cells else None for end in _ENDS]
        trained = bool(cells["trained_b"].values[0])
        made.append(
            draw.Curve(
                f"best match in {other}",
                depth,
                cells["cka"].values[at],
                bounds[0],
                bounds[1],
                kind="across" if trained else "untrained",
            )
        )
    return made


_ENDS = ("low", "high")
