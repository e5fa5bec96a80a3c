"""The section on effective receptive fields (E5): pictures, numbers along depth, claims."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import xarray as xr

from analysis import figures as draw
from analysis.similarity import Resampled
from storage import reports
from storage.digest import slug
from storage.reports import Check, Csv, Figure, Section, Table
from tasks.drawn import drawn
from tasks.looked import (
    Looked,
    check,
    curves,
    first,
    framed,
    having,
    lines,
    looked,
    mean_of,
    numbers,
    side,
    words,
)
from tasks.references import AnatomyReference

ANALYSIS = "receptive_fields"
NUMBERS = {
    "centre_share": ("In the centre patch", "share of the gradient"),
    "radius_50": ("Half of it within", "radius (pixels)"),
    "radius_95": ("95 % of it within", "radius (pixels)"),
}
RADII = ("95 % within, lowest quarter", "95 % within, highest quarter")
BRANCHES = {"attention": "attention", "tokens": "token mixing", "mlp": "MLP", "unit": "the unit"}


def section(reference: AnatomyReference) -> Section:
    """What was found of receptive fields."""
    each = looked(reference, ANALYSIS)
    found = list(claims(each))
    return framed(
        reference,
        ANALYSIS,
        "Effective receptive fields",
        "The absolute gradient of a layer's centre location with respect to the input, "
        "averaged over images: which pixels that location depends on. After a residual sum, "
        "and before it, of the branch alone. The centre patch is what the location stands "
        "for, the input cut into as many pieces as the layer has locations.",
        checks=found,
        figures=figures(each),
        table=table(each) if each else None,
    )


def data(reference: AnatomyReference) -> Iterator[Csv]:
    """A line a tap."""
    text = lines(
        reference, ANALYSIS, labels=("tap", "role", "kind", "depth"), variables=tuple(NUMBERS)
    )
    yield Csv("receptive-fields", text, "one line a tap: centre share, radii in pixels")


def claims(each: list[Looked]) -> Iterator[Check]:
    """What the study says of ViTs before and after the sum, and of ViT against ResNet."""
    after, before = (partial(rows_of, role=role, kind="attention") for role in ("after", "before"))
    vit = having(first(each, "vit"), after, before)
    resnet = having(first(each, "resnet"), partial(rows_of, role="after"))
    if vit is not None:
        yield check(
            "E5-centre",
            f"mean share of the gradient in the centre patch, attention of {vit.model}",
            side(vit, "after the sum", partial(_share, role="after")),
            side(vit, "before the sum", partial(_share, role="before")),
        )
    if vit is not None and resnet is not None:
        yield check(
            "E5-early",
            "radius that holds 95 % of the gradient, lowest quarter over highest quarter of the "
            "residual sums",
            side(vit, vit.model, _early),
            side(resnet, resnet.model, _early),
        )


def _share(dataset: xr.Dataset, *, role: str) -> Resampled:
    rows = rows_of(dataset, role=role, kind="attention")
    return numbers(dataset, "centre_share").of(lambda each: each[:, rows].mean(axis=1))


def _early(dataset: xr.Dataset) -> Resampled:
    low, high = quarters(dataset, role="after")
    return numbers(dataset, "radius_95").of(
        lambda each: each[:, low].mean(axis=1) / each[:, high].mean(axis=1)
    )


def rows_of(dataset: xr.Dataset, *, role: str, kind: str | None = None) -> np.ndarray:
    """Which layers have that role, and are of that kind of residual sum."""
    rows: np.ndarray = dataset["role"].values == role
    return rows if kind is None else rows & (dataset["kind"].values == kind)


def quarters(
    dataset: xr.Dataset, *, role: str, kind: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Which of these layers are the lowest quarter, and which the highest; at least one each."""
    rows = rows_of(dataset, role=role, kind=kind)
    place = np.cumsum(rows) - 1
    count = rows.sum()
    each = max(1, count // 4)
    return rows & (place < each), rows & (place >= count - each)


def figures(each: list[Looked]) -> Iterator[Figure]:
    """All models along depth; then of each model the pictures, and both sides along depth."""
    summed = [one for one in each if rows_of(one.own, role="after").any()]
    if summed:
        drawing = draw.panels(
            [
                draw.Panel(
                    title,
                    unit,
                    [c for one in summed for c in _along(one, name, one.model, role="after")],
                )
                for name, (title, unit) in NUMBERS.items()
            ],
            along="depth (0 input, 1 output)",
        )
        yield drawn(
            "fields-by-depth",
            drawing,
            alt=" ".join(words(found) for found in claims(each)) or "Receptive fields by depth.",
            caption="Receptive fields after every residual sum; bands are 95 % intervals over "
            "groups of images. Pixels of each model's own input; the centre patch grows where a "
            "network's grid gets coarser.",
            data="receptive-fields",
        )
    for one in each:
        yield drawn(
            f"fields-{slug(one.model)}",
            draw.pictures(list(_pictures(one))),
            alt=_words(one),
            caption=f"Receptive fields of {one.model}, low layers left. Each picture has its own "
            "scale, by the square root; the centre patch is outlined.",
            models=[one.model],
        )
        if rows_of(one.own, role="before").any():
            yield drawn(
                f"fields-both-sides-{slug(one.model)}",
                draw.panels(list(_sides(one)), along="depth (0 input, 1 output)"),
                alt=_words(one),
                caption=f"Receptive fields of {one.model} after the residual sums, and before "
                "them, of the branches alone.",
                data="receptive-fields",
                models=[one.model],
            )


def _words(one: Looked) -> str:
    """What of each kind of layers lies in the centre patch, and how wide fields grow."""
    told = []
    for kind, role in _groups(one):
        mine = rows_of(one.own, role=role, kind=kind)
        low, high = quarters(one.own, role=role, kind=kind)
        share = one.own["centre_share"].values[mine].mean()
        near, far = (one.own["radius_95"].values[rows].mean() for rows in (low, high))
        told.append(
            f"{_called(role, kind)} {share:.2f} of the gradient lies in the centre patch and 95 % "
            f"within {near:.1f} pixels in the lowest quarter, {far:.1f} in the highest"
        )
    return f"Receptive fields of {one.model}: {'; '.join(told)}."


def _groups(one: Looked) -> list[tuple[str, str]]:
    """Kind and role of the layers of a model, those that there are."""
    each = [(kind, role) for kind in [*_kinds(one), ""] for role in ("after", "before", "layer")]
    return [(kind, role) for kind, role in each if rows_of(one.own, role=role, kind=kind).any()]


def _called(role: str, kind: str) -> str:
    return f"{role} {BRANCHES[kind]}" if kind else "other layers"


def _along(
    one: Looked, name: str, label: str, *, role: str, kind: str | None = None
) -> Iterator[draw.Curve]:
    return curves(one, name, label, at="depth", where=partial(rows_of, role=role, kind=kind))


def _kinds(one: Looked) -> list[str]:
    return [kind for kind in BRANCHES if (one.own["kind"].values == kind).any()]


def _sides(one: Looked) -> Iterator[draw.Panel]:
    for name, (title, unit) in NUMBERS.items():
        yield draw.Panel(
            title,
            unit,
            [
                curve
                for kind in _kinds(one)
                for role in ("after", "before")
                for curve in _along(one, name, f"{role} {BRANCHES[kind]}", role=role, kind=kind)
            ],
        )


def _pictures(one: Looked) -> Iterator[tuple[str, list[draw.Field]]]:
    rows = [
        (f"{role} {BRANCHES[kind]}", rows_of(one.own, role=role, kind=kind), "block")
        for kind in _kinds(one)
        for role in ("after", "before")
    ]
    for name, chosen, title in rows or [("layer", rows_of(one.own, role="layer"), "tap")]:
        if chosen.any():
            own = one.own.isel(layer=np.flatnonzero(chosen))
            titles = [str(text) for text in own[title].values]
            each = zip(titles, own["field"].values, own["patch"].values, strict=True)
            yield name, [draw.Field(text, field, tuple(patch)) for text, field, patch in each]


def table(each: list[Looked]) -> Table:
    """Of every side of every kind of sum: share in the centre, radius low and high."""
    rows: list[tuple[reports.Cell, ...]] = []
    for one in each:
        for kind, role in _groups(one):
            of = partial(rows_of, role=role, kind=kind)
            low, high = quarters(one.own, role=role, kind=kind)
            rows.append(
                (
                    one.model,
                    _called(role, kind),
                    mean_of(one.own, "centre_share", of(one.own)),
                    None if one.twin is None else mean_of(one.twin, "centre_share", of(one.twin)),
                    mean_of(one.own, "radius_95", low),
                    mean_of(one.own, "radius_95", high),
                )
            )
    return Table(
        ("model", "where", "share in the centre patch", "untrained twin", *RADII),
        tuple(rows),
        caption="Means over layers with 95 % intervals over groups of images; radii in pixels.",
    )
