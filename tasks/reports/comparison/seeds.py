"""Section on seeds: similarity of two trainings of one architecture, a ceiling for others."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from seelike.analysis import figures as draw
from seelike.analysis.similarity.intervals.ceilings import Ceiling, Seeds
from seelike.storage.digest import slug
from seelike.storage.reports.write import Section, Table
from seelike.tasks.reports.comparison.comparison_view import ComparisonView
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.methods.comparison import cka_method


def section(view: ComparisonView) -> Section | None:
    """Build the section for models that differ in their seed alone."""
    seeds = seeds_of(view)
    if not seeds.architectures:
        return None
    ceilings = seeds.ceilings()
    shares = [seeds.matched_share(one.first, one.second) for one in ceilings]
    beside = view.shown.models
    return Section(
        "Across seeds: the ceiling",
        paragraphs=(
            "Two trainings of one architecture that differ in their seed alone show how alike "
            "layers can be expected to be at most.",
            *(
                f"{one.first} and {one.second} differ most at {_least_alike(one)}."
                for one in ceilings
            ),
        ),
        figures=tuple(
            render_figure(
                f"ceiling-{slug(one.first)}-{slug(one.second)}",
                draw.ceiling(
                    curves(view.dataset, one, beside=beside),
                    title=f"{one.first} and {one.second}",
                ),
                alt=f"{one.first} and {one.second}: the mean CKA of corresponding layers is "
                f"{one.cka.value.mean():.2f}, the lowest {one.cka.value.min():.2f} at "
                f"{_least_alike(one)}.",
                caption=f"CKA of {one.first}'s layers with the same layers of {one.second} (bold), "
                "and with the most similar layer of each other model.",
            )
            for one in ceilings
        ),
        tables=(table(ceilings, shares),),
        method=cka_method(view.dataset),
    )


def seeds_of(view: ComparisonView) -> Seeds:
    """Groups of trained models of one architecture and the same layers that differ in seed."""
    measured = view.measured
    alike: dict[tuple[str, ...], list[str]] = {}
    for number, group in enumerate(view.relations.seeds()):
        for model in group:
            alike.setdefault((str(number), *view.layers(model)), []).append(model)
    return Seeds(
        parts=measured.parts,
        model=measured.model,
        tap=list(measured.tap),
        architectures=[group for group in alike.values() if len(group) > 1],
        images=measured.images,
    )


def table(ceilings: Sequence[Ceiling], shares: Sequence[float]) -> Table:
    """Similarity of corresponding layers of every two seeds."""
    return Table(
        (
            "model",
            "other seed",
            "mean CKA of corresponding layers",
            "lowest",
            "at layer",
            "best matches that are the corresponding layer",
        ),
        tuple(
            (
                one.first,
                one.second,
                float(one.cka.value.mean()),
                float(one.cka.value.min()),
                _least_alike(one),
                float(share),
            )
            for one, share in zip(ceilings, shares, strict=True)
        ),
        caption="Corresponding layers of two seeds; the last column is the share of layers whose "
        "most similar layer in the other network is the corresponding one.",
    )


def _least_alike(one: Ceiling) -> str:
    return str(one.taps[int(one.cka.value.argmin())])


def curves(dataset: xr.Dataset, ceiling: Ceiling, *, beside: Sequence[str]) -> list[draw.Curve]:
    """Curves by depth of two seeds and of the first one's best matches in other models.

    Args:
        dataset: The comparison.
        ceiling: CKA of corresponding layers of two seeds.
        beside: Other models that are drawn, with their untrained baselines.
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
        bounds = [
            cells[f"cka_{end}"].values[at] if "cka_low" in cells else None
            for end in ("low", "high")
        ]
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
