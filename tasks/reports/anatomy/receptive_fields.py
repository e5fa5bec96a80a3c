"""Section on effective receptive fields (E5): pictures, numbers along depth, claims."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Drawing

from seelike.analysis import figures as draw
from seelike.analysis.claims.experiments.receptive_fields import field_cases, quarters, rows_of
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks.anatomy.field_numbers import AT_EDGE
from seelike.storage.digest import slug
from seelike.storage.reports import write
from seelike.storage.reports.write import Figure, Section, Table
from seelike.tasks.reports.anatomy.field_layers import (
    Rows,
    edge_count,
    groups,
    kinds,
    layer_label,
    limited,
    sampled,
    sublayers,
    uniform_level,
)
from seelike.tasks.reports.anatomy.section import section_of
from seelike.tasks.reports.elements.figures import render_figure
from seelike.tasks.reports.elements.model_results import (
    AnalysisResults,
    curves,
    mean_of,
    sentences,
)

ANALYSIS = "receptive_fields"
DATA = "receptive-fields"
NUMBERS = {
    "centre_share": ("In the centre patch", "share of the gradient"),
    "radius_50": ("Half of it within", "radius (pixels)"),
    "radius_95": ("95 % of it within", "radius (pixels)"),
}
OF_LAYERS = (
    "channels",
    "channels_per_image",
    *(f"{name}_{end}" for name in ("radius_50", "radius_95") for end in ("uniform", "at_edge")),
)
UNIFORM, EDGE = "uniform field", "at the image's edge"
RADII = ("95 % within, lowest quarter", "95 % within, highest quarter")


def section(results: AnalysisResults) -> Section:
    """Build the section."""
    each = results.each
    return section_of(
        results,
        "Effective receptive fields",
        "The absolute gradient of each channel of a layer at its centre location with respect to "
        "the input, averaged over channels and images: the pixels that this location depends on. "
        "After a residual sum, before it (the branch alone), and of the sublayers. The centre "
        "patch is the part of the input that the location stands for: the input cut into as many "
        "pieces as the layer has locations.",
        checks=results.checks_of(field_cases(each)),
        sentences=(*sampled(each), *limited(each)),
        figures=figures(each),
        tables=(table(each),) if each else (),
        data=(
            results.csv(
                DATA,
                "one line per layer: channels, centre share, radii in pixels and those of a "
                "uniform field",
                labels=("tap", "role", "kind", "depth", *OF_LAYERS),
                variables=tuple(NUMBERS),
            ),
        ),
    )


def figures(each: list[ModelResult]) -> Iterator[Figure]:
    """All models along depth; then the pictures of each model, and both sides along depth."""
    summed = [one for one in each if rows_of(one.own, role="after").any()]
    if summed:
        drawing = _panels(
            [
                draw.Panel(
                    title,
                    unit,
                    [c for one in summed for c in _along(one, name, one.model, role="after")],
                    uniform_level(name, [(o.own, rows_of(o.own, role="after")) for o in summed]),
                )
                for name, (title, unit) in NUMBERS.items()
            ]
        )
        yield render_figure(
            "fields-by-depth",
            drawing,
            alt=sentences(field_cases(each), "Receptive fields by depth."),
            caption="Receptive fields after every residual sum. Bands are 95 % intervals over "
            "groups of images. Pixels are those of each model's own input. The centre patch grows "
            "where a network's grid gets coarser.",
            data=DATA,
        )
    for one in each:
        yield render_figure(
            f"fields-{slug(one.model)}",
            draw.pictures(list(_pictures(one))),
            alt=_words(one),
            caption=f"Receptive fields of {one.model}, low layers left. Each picture has its own "
            "square-root scale. The centre patch is outlined.",
            models=[one.model],
        )
        if sublayers(one.own):
            yield render_figure(
                f"fields-sublayers-{slug(one.model)}",
                draw.pictures(list(_inside(one))),
                alt=_inside_words(one),
                caption=f"Receptive fields of the sublayers of {one.model}, such as normalisations "
                "and hidden units, low blocks left.",
                models=[one.model],
            )
        if rows_of(one.own, role="before").any():
            yield render_figure(
                f"fields-both-sides-{slug(one.model)}",
                _panels(list(_sides(one))),
                alt=_words(one),
                caption=f"Receptive fields of {one.model} after the residual sums, and before "
                "them, of the branches alone.",
                data=DATA,
                models=[one.model],
            )


def _panels(each: list[draw.Panel]) -> Drawing:
    level = UNIFORM if any(panel.level is not None for panel in each) else ""
    return draw.panels(each, along="depth (0 input, 1 output)", level=level)


def _words(one: ModelResult) -> str:
    """Centre share and radii of each kind of layers, for alternative text."""
    each = []
    for kind, role in groups(one.own):
        if role == "layer" and kind:
            continue  # Sublayers are in the table.
        mine = rows_of(one.own, role=role, kind=kind)
        low, high = quarters(one.own, role=role, kind=kind)
        share = one.own["centre_share"].values[mine].mean()
        near, far = (one.own["radius_95"].values[rows].mean() for rows in (low, high))
        each.append(
            f"{layer_label(role, kind)} {share:.2f} of the gradient lies in the centre patch, and "
            f"95 % within {near:.1f} pixels in the lowest quarter, {far:.1f} in the highest"
        )
    return f"Receptive fields of {one.model}: {'; '.join(each)}."


def _inside_words(one: ModelResult) -> str:
    """Smallest and largest centre share of the sublayers, for alternative text."""
    share = {
        kind: float(
            one.own["centre_share"].values[rows_of(one.own, role="layer", kind=kind)].mean()
        )
        for kind in sublayers(one.own)
    }
    least, most = (choose(share, key=lambda kind: share[kind]) for choose in (min, max))
    return (
        f"Receptive fields of the sublayers of {one.model}: on average {share[least]:.2f} of the "
        f"gradient of {least} lies in the centre patch, and {share[most]:.2f} of that of {most}."
    )


def _along(
    one: ModelResult, name: str, label: str, *, role: str, kind: str | None = None
) -> Iterator[draw.Curve]:
    return curves(one, name, label, at="depth", where=partial(rows_of, role=role, kind=kind))


def _sides(one: ModelResult) -> Iterator[draw.Panel]:
    for name, (title, unit) in NUMBERS.items():
        yield draw.Panel(
            title,
            unit,
            [
                curve
                for kind in kinds(one.own)
                for role in ("after", "before")
                for curve in _along(one, name, layer_label(role, kind), role=role, kind=kind)
            ],
            uniform_level(name, [(one.own, one.own["role"].values != "layer")]),
        )


def _pictures(one: ModelResult) -> Iterator[tuple[str, list[draw.Field]]]:
    """A row per side of a kind of sum; where there are no sums, one of the study's layers."""
    rows = [
        (layer_label(role, kind), rows_of(one.own, role=role, kind=kind), "block")
        for kind in kinds(one.own)
        for role in ("after", "before")
    ]
    for name, chosen, title in rows or [("layer", rows_of(one.own, role="layer"), "tap")]:
        if chosen.any():
            yield name, _row(one.own, chosen, title)


def _inside(one: ModelResult) -> Iterator[tuple[str, list[draw.Field]]]:
    """A row per sublayer."""
    for kind in sublayers(one.own):
        yield kind, _row(one.own, rows_of(one.own, role="layer", kind=kind), "block")


def _row(dataset: xr.Dataset, chosen: Rows, title: str) -> list[draw.Field]:
    own = dataset.isel(layer=np.flatnonzero(chosen))
    titles = [str(text) for text in own[title].values]
    each = zip(titles, own["field"].values, own["patch"].values, strict=True)
    return [draw.Field(text, field, tuple(patch)) for text, field, patch in each]


def table(each: list[ModelResult]) -> Table:
    """Centre share and radii, a row per side of every kind of sum."""
    rows: list[tuple[write.Cell, ...]] = []
    for one in each:
        for kind, role in groups(one.own):
            of = partial(rows_of, role=role, kind=kind)
            low, high = quarters(one.own, role=role, kind=kind)
            rows.append(
                (
                    one.model,
                    layer_label(role, kind),
                    mean_of(one.own, "centre_share", of(one.own)),
                    None
                    if one.untrained is None
                    else mean_of(one.untrained, "centre_share", of(one.untrained)),
                    mean_of(one.own, "radius_95", low),
                    mean_of(one.own, "radius_95", high),
                    edge_count(one.own, of(one.own)),
                )
            )
    return Table(
        ("model", "where", "share in the centre patch", "untrained baseline", *RADII, EDGE),
        tuple(rows),
        caption="Means over layers with 95 % intervals over groups of images; radii in pixels. At "
        "the image's edge: layers whose 95 % radius is at least "
        f"{AT_EDGE:.0%} of that of a uniform field.",
    )
