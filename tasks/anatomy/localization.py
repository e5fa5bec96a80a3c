"""Localization: CKA of every token of a layer with every patch of the input (E8, E9)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from torch import Tensor

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.anatomy.tokens import (
    Grid,
    coarsened,
    embedding,
    grid,
    grouped,
    inside,
    pixel_patches,
    place,
)
from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.recording.recording import summarise
from seelike.analysis.networks.recording.reduction import reduce
from seelike.analysis.similarity.intervals.jackknife import Jackknifed
from seelike.analysis.similarity.intervals.jackknife import concatenate as join
from seelike.analysis.similarity.parts.localization import (
    Hsics,
    Signatures,
    batch_hsics,
    concatenate,
    signatures,
)
from seelike.analysis.similarity.parts.localization_scores import scores
from seelike.tasks.anatomy.context import (
    BATCH,
    SMALLEST_BATCH,
    AnalysisInput,
    MissingPart,
    PartOutOfRange,
    looking_for_parts,
)
from seelike.tasks.planning.survey import chosen_taps
from seelike.tasks.recording.activation_errors import in_batch, in_layer
from seelike.tasks.runtime.threads import one_blas_thread

# Finer maps are pooled to so many cells, as many as a ViT-S/16 has tokens.
MOST_CELLS = 256
# Groups of batches that are left out in turn; more would not improve intervals.
GROUPS = 32
SCORES = ("share", "rank", "z", "soft")
INSIDE = ("inside_share", "inside_soft")
PIXELS, EMBEDDING = "pixels", "embedding"


@dataclass(frozen=True)
class _Layer:
    """A tap whose tokens, or locations pooled ``onto`` a grid, are compared."""

    tap: Tap
    of: Grid
    onto: Grid
    is_block: bool


def localization(inputs: AnalysisInput) -> xr.Dataset:
    """Compute CKA of every token with every input patch, and localization scores of each layer.

    Batches of 64 images are left out in turn, of many images 32 groups of them. Memory: 8 tokens x
    patches bytes per layer and group.

    Returns:
        A dataset over ``layer``, a tap and the patches that it is compared with: raw pixels, or
        the patch embedding where the network has one.

        - ``cka`` (layer, token, patch) and ``class_token`` (layer, patch), NaN beyond a layer's
          own grid of ``rows`` and ``columns``, and where a token or patch is constant;
        - scores over a layer's tokens (``TokenScores``): ``share`` of tokens whose own patch is
          the most similar, ``rank``, the mean rank of the own patch, ``z``, its standard score,
          ``soft``, the smooth share;
        - ``inside_share`` and ``inside_soft``: the same among tokens that are not at the rim, among
          all where there are none;
        - ``shown`` (chosen, axis): tokens for maps.

    Raises:
        MissingPart: For a network without tokens or maps.
        PartOutOfRange: For tokens that the study chose and the network lacks.
        AnalysisError: Where no layer can be measured.
    """
    with looking_for_parts():
        layers, why_not = _layers(inputs)
        shown = _shown(inputs, layers)
    found: dict[tuple[str, str], dict[int, Hsics]] = {}
    start = 0
    for batch in inputs.batches(size=BATCH, at_least=SMALLEST_BATCH):
        group = start * GROUPS // max(inputs.count, GROUPS * BATCH)
        with one_blas_thread(), in_batch(inputs.subject.name, start):
            for key, hsics in _batch_hsics(inputs, layers, batch).items():
                groups = found.setdefault(key, {})
                groups[group] = _sum(groups[group], hsics) if group in groups else hsics
        start += len(batch)
    rows = []
    by_name = {layer.tap.name: layer for layer in layers}
    for (tap, patches), parts in sorted(found.items(), key=lambda item: item[0][1] != PIXELS):
        try:
            rows.append(_row(by_name[tap], patches, concatenate([*parts.values()])))
        except AnalysisError as error:
            why_not[f"{tap} against {patches}"] = " ".join(str(error).split())
    if not rows:
        raise AnalysisError(f"{inputs.subject.name}: {next(iter(why_not.values()))}")
    return _dataset(rows, shown).assign_attrs(left_out=why_not, images_a_gram=BATCH)


def _sum(one: Hsics, other: Hsics) -> Hsics:
    return Hsics(
        one.crossed + other.crossed, one.tokens + other.tokens, one.patches + other.patches
    )


def _layers(inputs: AnalysisInput) -> tuple[list[_Layer], dict[str, str]]:
    """Find the blocks and the study's taps that have a grid; by name why not the others."""
    try:
        blocks = taps(inputs.network, "blocks")
    except AnalysisError:
        blocks = ()  # No blocks that are known: the layers that the study taps are enough.
    names = {tap.name for tap in blocks}
    each = {tap.name: tap for tap in (*blocks, *chosen_taps(inputs.network, inputs.subject))}
    layers, why_not = [], {}
    blank = np.zeros((1, *inputs.network.input_size), np.float32)
    for tap in sorted(each.values(), key=lambda tap: tap.depth):
        try:
            of = grid(inputs.network, tap)
            onto = coarsened(of, most=MOST_CELLS) if tap.layout.kind.startswith("map") else of
            pixel_patches(Tensor(blank), onto)  # Refuses a grid that does not divide the image.
            layers.append(_Layer(tap, of, onto, tap.name in names))
        except AnalysisError as error:
            why_not[tap.name] = " ".join(str(error).split())
    if not layers:
        raise MissingPart(next(iter(why_not.values())))
    return layers, why_not


def _shown(inputs: AnalysisInput, layers: Sequence[_Layer]) -> np.ndarray:
    """Choose rows and columns of the tokens for maps: the study's, or some over the grid."""
    last = [one for one in layers if one.is_block] or layers
    rows, columns = last[-1].onto
    chosen = inputs.chosen.tokens or (
        (0, 0),
        (0, columns // 2),
        (rows // 3, columns // 3),
        (rows // 2, columns // 2),
        (2 * rows // 3, 3 * columns // 4),
    )
    try:
        for row, column in chosen:
            place(row, column, of=(rows, columns))
    except AnalysisError as error:
        raise PartOutOfRange(f"localization_tokens of {inputs.subject.name}: {error}") from error
    return np.array(list(dict.fromkeys(chosen)))


def _batch_hsics(
    inputs: AnalysisInput, layers: Sequence[_Layer], batch: Tensor
) -> dict[tuple[str, str], Hsics]:
    """Compute HSICs of all tokens, the class token last, by tap and kind of patches."""
    grids = {one.onto for one in layers}
    pixels = {onto: signatures(pixel_patches(batch, onto)) for onto in grids}
    embedded: dict[Grid, Signatures] = {}
    by_name = {one.tap.name: one for one in layers}
    embeds = embedding(inputs.network)
    found: dict[tuple[str, str], Hsics] = {}

    def compare(tap: Tap, x: Tensor) -> None:
        with in_layer(tap.name):
            if tap.name in by_name:
                layer = by_name[tap.name]
                tokens = _tokens(layer, x)
                found[tap.name, PIXELS] = batch_hsics(tokens, pixels[layer.onto])
                if layer.onto in embedded:
                    found[tap.name, EMBEDDING] = batch_hsics(tokens, embedded[layer.onto])
            if embeds is not None and tap.name == embeds.name:
                places, of = reduce(x, tap, "tokens").cpu().numpy(), grid(inputs.network, tap)
                for onto in (each for each in grids if _divides(each, of)):
                    embedded[onto] = signatures(grouped(places, of, onto))

    each = {tap.name: tap for tap in (embeds, *(one.tap for one in layers)) if tap is not None}
    pieces = [inputs.pieces(batch)]
    for _ in summarise(inputs.network, list(each.values()), pieces, summary=compare):
        pass  # compare keeps what is needed.
    return found


def _divides(onto: Grid, of: Grid) -> bool:
    return of[0] % onto[0] == 0 and of[1] % onto[1] == 0


def _tokens(layer: _Layer, x: Tensor) -> np.ndarray:
    """Return the tokens of a layer, its class token last: (n, T or T + 1, d)."""
    places = grouped(reduce(x, layer.tap, "tokens").cpu().numpy(), layer.of, layer.onto)
    if not layer.tap.layout.class_token:
        return places
    return np.concatenate([places, reduce(x, layer.tap, "cls").cpu().numpy()[:, None]], axis=1)


@dataclass(frozen=True)
class _Row:
    """One layer with one kind of patches."""

    layer: _Layer
    patches: str
    cka: np.ndarray
    numbers: Jackknifed
    varying: int


def _row(layer: _Layer, patches: str, hsics: Hsics) -> _Row:
    """Compute the scores of one layer: ``SCORES``, then ``INSIDE``."""
    count = layer.onto[0] * layer.onto[1]
    spatial = replace(hsics, crossed=hsics.crossed[:, :count], tokens=hsics.tokens[:, :count])
    inner = inside(layer.onto)
    every, within = scores(spatial, [slice(None), inner if len(inner) else slice(None)])
    numbers = join([every.numbers, within.numbers.at([0, 3])])
    return _Row(layer, patches, hsics.cka(), numbers, every.patches)


def _dataset(rows: Sequence[_Row], shown: np.ndarray) -> xr.Dataset:
    most = max(row.layer.onto[0] * row.layer.onto[1] for row in rows)
    cka = np.full((len(rows), most, most), np.nan, np.float32)
    class_token = np.full((len(rows), most), np.nan, np.float32)
    for number, row in enumerate(rows):
        count = row.cka.shape[1]
        cka[number, :count, :count] = row.cka[:count]
        if len(row.cka) > count:
            class_token[number, :count] = row.cka[count]
    layers = [row.layer for row in rows]
    dataset = xr.Dataset(
        {
            "cka": (("layer", "token", "patch"), cka),
            "class_token": (("layer", "patch"), class_token),
            "shown": (("chosen", "axis"), shown),
        },
        {
            "tap": ("layer", [layer.tap.name for layer in layers]),
            "patches": ("layer", [row.patches for row in rows]),
            "depth": ("layer", [layer.tap.depth for layer in layers]),
            "is_block": ("layer", [layer.is_block for layer in layers]),
            "kind": ("layer", [layer.tap.layout.kind.split("_")[0] for layer in layers]),
            "rows": ("layer", [layer.onto[0] for layer in layers]),
            "columns": ("layer", [layer.onto[1] for layer in layers]),
            "varying": ("layer", [row.varying for row in rows]),
            "axis": ["row", "column"],
        },
    )
    for column, name in enumerate((*SCORES, *INSIDE)):
        each = [row.numbers.at(slice(column, column + 1)) for row in rows]
        join(each).enter(dataset, name, "layer")
    return dataset
