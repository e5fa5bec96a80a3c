"""Coverage of claims' numbers on places: localization, and heads beside units."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from benchmarks.coverage import populations
from benchmarks.coverage.inside import Draw, Population, many_heads, result
from benchmarks.coverage.populations import Samples, centred_gram
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.attention import subsets_case
from seelike.analysis.claims.experiments.localization import localization_cases
from seelike.analysis.networks import record, taps
from seelike.analysis.networks.anatomy.attention import attention_distance
from seelike.analysis.networks.anatomy.attention_maps import attention_blocks, head_outputs
from seelike.analysis.networks.anatomy.residuals import residuals
from seelike.analysis.networks.anatomy.tokens import coarsened, grid, grouped, inside, pixel_patches
from seelike.analysis.networks.network import Network
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.parts.head_subsets import Parts, agreement
from seelike.analysis.similarity.parts.localization import Hsics
from seelike.analysis.similarity.parts.localization_scores import scores
from seelike.storage.images import ImageSet

# Images per batch, and batches per image of the population: their number together is the true
# one of places, and their HSICs are computed once.
BATCH, BATCHES = 64, 2


def localization(population: ImageSet) -> Population:
    """E8 and E9 of the shipped ViT, the ViT with average pooling, and ResNet."""
    networks = {"vit": ("vit", "CLS"), "vit-gap": ("vit", "GAP"), "resnet": ("resnet", "CLS")}
    rng = np.random.default_rng(1)
    count = BATCHES * len(population)
    samples = Samples.of(rng, len(population), batches=count, batch=BATCH)
    every = {zoo: _places(populations.network(zoo), population, samples) for zoo in networks}

    def cases(draw: Draw | None) -> list[Case]:
        each = []
        for zoo, (family, pooling) in networks.items():
            hsics, onto = every[zoo]
            dataset = _localized(_summed(hsics) if draw is None else _some(hsics, draw), onto)
            each.append(result(zoo, family, dataset, pooling=pooling))
        return localization_cases(each)

    return Population(count, 1, cases)


def _some(hsics: Hsics, draw: Draw) -> Hsics:
    chosen = draw[:, 0]
    return Hsics(hsics.crossed[chosen], hsics.tokens[chosen], hsics.patches[chosen])


def _summed(hsics: Hsics) -> Hsics:
    each = (hsics.crossed, hsics.tokens, hsics.patches)
    return Hsics(*(one.sum(axis=0, keepdims=True) for one in each))


def _places(of: Network, population: ImageSet, samples: Samples) -> tuple[Hsics, tuple[int, int]]:
    """HSICs of the tokens of the row that claims are about with the patches, of every batch."""
    blocks = taps(of, "blocks")
    tokens = blocks[-1].layout.kind.startswith("tokens")
    tap = blocks[-2 if tokens else -1]
    cells = grid(of, tap)
    onto = cells if tokens else coarsened(cells, most=256)
    own, patches = [], []
    batches = populations.passes(of, population)
    for batch, made in zip(batches, record(of, [tap], batches, reduction="tokens"), strict=True):
        own.append(grouped(made[tap.name], cells, onto))
        patches.append(pixel_patches(batch, onto))
    each = [np.concatenate(x) for x in (own, patches)]
    stacked = np.stack([centred_gram(x[:, i]) for x in each for i in range(x.shape[1])], axis=2)
    parts = populations.parts(stacked, samples)
    count, alone = each[0].shape[1], np.diagonal(parts, axis1=1, axis2=2)
    return Hsics(parts[:, :count, count:], alone[:, :count], alone[:, count:]), onto


def _localized(hsics: Hsics, onto: tuple[int, int]) -> xr.Dataset:
    inner = inside(onto)
    every, within = scores(hsics, [slice(None), inner if len(inner) else slice(None)])
    dataset = xr.Dataset(
        coords={
            "is_block": ("layer", [True]),
            "patches": ("layer", ["pixels"]),
            "kind": ("layer", ["map"]),
        }
    )
    every.numbers.at([3]).enter(dataset, "soft", "layer")
    within.numbers.at([3]).enter(dataset, "inside_soft", "layer")
    return dataset


def heads(population: ImageSet) -> Population:
    """E4 of a ViT with 12 heads beside the lowest unit of the shipped ResNet."""
    of, resnet = many_heads(0), populations.network("resnet")
    block = attention_blocks(of)[0]
    outputs = np.concatenate(list(head_outputs(of, block, populations.passes(of, population))))
    flat = outputs.transpose(0, 2, 1, 3).reshape(len(outputs), block.heads, -1)
    own = np.stack([centred_gram(flat[:, i]) for i in range(block.heads)], axis=2)
    unit = next(one.block for one in residuals(resnet) if one.kind == "unit")
    other = np.stack(list(populations.grams(resnet, [unit], population).values()), axis=2)
    distances = attention_distance(of, populations.passes(of, population)).plain[0].T
    vit = result("vit", "vit", xr.Dataset(attrs={"block": block.module, "heads": block.heads}))
    units = result("resnet", "resnet", xr.Dataset(coords={"part": [unit]}))

    def cases(draw: Draw | None) -> list[Case]:
        batches = [np.arange(len(distances))] if draw is None else list(draw)
        both = [
            _as_parts([populations.signatures(grams, one).T.astype(np.float64) for one in batches])
            for grams in (own, other)
        ]
        means = np.stack([distances[one].mean(axis=0) for one in batches])
        return [subsets_case(vit, units, agreement(both[0], means, both[1]), None)]

    return Population(len(population), BATCH, cases)


def _as_parts(signed: Sequence[Array]) -> Parts:
    lengths = np.stack([np.linalg.norm(one, axis=1) for one in signed])
    directions = np.stack(list(signed)) / lengths[..., None]
    return Parts(directions.astype(np.float32), lengths)
