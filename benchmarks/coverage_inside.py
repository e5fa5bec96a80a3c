"""Coverage of claims' numbers inside networks: attention, fields, skips, localization, heads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from analysis.claims.evidence import Case
from analysis.claims.of_attention import attention_cases, subsets_case
from analysis.claims.of_fields import field_cases
from analysis.claims.of_localization import localization_cases
from analysis.claims.of_residuals import residual_cases
from analysis.claims.results import ModelResult
from analysis.networks import ModelSpec, load, record, taps
from analysis.networks.attention import attention_distance
from analysis.networks.attention_maps import attention_blocks, head_outputs
from analysis.networks.field_numbers import uniform_radius
from analysis.networks.network import Network
from analysis.networks.receptive_fields import centre_patch
from analysis.networks.residuals import residual_norms, residuals
from analysis.networks.tap import Tap
from analysis.networks.tokens import coarsened, grid, grouped, inside, pixel_patches
from analysis.similarity import gram, jackknifed
from analysis.similarity.gram import Array
from analysis.similarity.head_subsets import Parts, agreement
from analysis.similarity.jackknife import Estimate, joined
from analysis.similarity.localization import Hsics
from analysis.similarity.localization_scores import scores
from benchmarks import populations
from benchmarks.coverage_cka import of_case
from storage.images import ImageSet
from tasks.plans import Subject
from tasks.receptive_fields import RADII, FieldAmounts, field_amounts
from tasks.seen import GROUP, Seen

# Images per group where each image is measured alone.
EACH = 16
# One data set: which groups of images, (groups, images per group), have which numbers.
Draw = np.ndarray
Cases = Callable[[Draw | None], Sequence[Case]]
FACTS: dict[str, Any] = {"trained": True, "pooling": "CLS", "skip_free": None}


@dataclass(frozen=True)
class Population:
    """Numbers of cases for a draw of groups of its ``size`` members; for None of all of them."""

    size: int
    each: int
    cases: Cases

    def estimates(self, draw: Draw | None) -> Iterator[tuple[str, Estimate]]:
        """The differences of all claims."""
        for case in self.cases(draw):
            yield from of_case(case)


def covered(
    populations_: Sequence[Population], *, counts: Sequence[int], repeats: int
) -> dict[str, dict[int, float]]:
    """The share of data sets whose intervals hold the truth, by number and count of groups."""
    found: dict[str, dict[int, float]] = {}
    for one in populations_:
        rng, truth = np.random.default_rng(0), dict(one.estimates(None))
        for count in counts:
            hits: dict[str, list[bool]] = {}
            for _ in range(repeats):
                draw = np.stack(
                    [rng.choice(one.size, one.each, replace=False) for _ in range(count)]
                )
                for name, number in one.estimates(draw):
                    assert number.low is not None and number.high is not None
                    held = number.low - 1e-12 <= truth[name].value <= number.high + 1e-12
                    hits.setdefault(name, []).append(held)
            for name, each in hits.items():
                found.setdefault(name, {})[count] = float(np.mean(each))
    return found


def result(model: str, family: str, own: xr.Dataset, **known: Any) -> ModelResult:
    """One analysis of a network."""
    origin = {"data": "Fashion-MNIST", "fraction": 1.0, "start": None, "seed": 0}
    origin |= {key: known.pop(key) for key in ("fraction", "seed") if key in known}
    built = {"from": family, "arguments": {"class_token": known.get("pooling", "CLS") == "CLS"}}
    facts = FACTS | {"family": family, "origin": origin, "built": built} | known
    return ModelResult(model, family, own, None, facts)


def entered(dataset: xr.Dataset, name: str, rows: Array, draw: Draw | None, dim: str) -> None:
    """Enter the mean over images of ``rows`` (n, k): of all, or of the groups drawn."""
    groups = rows[None].mean(axis=1) if draw is None else rows[draw].mean(axis=1)
    images = [len(rows)] if draw is None else [draw.shape[1]] * len(draw)
    jackknifed(groups, images=images).enter(dataset, name, dim)


def attention(population: ImageSet) -> Population:
    """E3 of a ViT with 12 heads, some made local, beside another that has seen less data."""
    rows, coordinates = zip(*(_distances(seed, population) for seed in (0, 1)), strict=True)

    def cases(draw: Draw | None) -> list[Case]:
        each = []
        for name, own, known, fraction in zip(
            ("full", "part"), rows, coordinates, (1.0, 0.1), strict=True
        ):
            dataset = known.copy()
            entered(dataset, "plain", own, draw, "head")
            each.append(result(name, "vit", dataset, fraction=fraction))
        found = attention_cases(each)
        return [replace(one, contrasts=_numbers(one)) for one in found]

    return Population(len(population), EACH, cases)


def _numbers(case: Case) -> Any:
    """Without premises, which another claim has as its number."""
    return tuple(one for one in case.contrasts if not one.premise)


def _many_heads(seed: int) -> Network:
    arguments = {"img_size": 28, "patch_size": 4, "embed_dim": 96, "depth": 4, "num_heads": 12}
    spec = ModelSpec(
        name="many heads",
        timm="vit_tiny_patch16_224",
        seed=seed,
        arguments=arguments | {"in_chans": 1, "num_classes": 10},
    )
    return load(spec)


def _distances(seed: int, population: ImageSet) -> tuple[Array, xr.Dataset]:
    of = _many_heads(seed)
    for name, weight in of.module.named_parameters():
        if name.endswith("qkv.weight"):
            weight.data *= 6  # So that heads differ from attention to all alike.
    found = attention_distance(of, populations.passes(of, population))
    block = np.concatenate([[at] * b.heads for at, b in enumerate(found.blocks)])
    heads = len(block)
    dataset = xr.Dataset(
        {
            "plain_uniform": ("head", np.full(heads, 14.0)),
            "renormalised_uniform": ("head", np.full(heads, 14.0)),
        },
        {"block_number": ("head", block), "patch": ("head", np.full(heads, 4.0))},
    )
    return np.concatenate(found.plain).T, dataset


def skips(population: ImageSet) -> Population:
    """E6 of the shipped ViT and ResNet."""
    rows, coordinates = {}, {}
    for family in ("vit", "resnet"):
        of = populations.network(family)
        found = residual_norms(of, populations.passes(of, population), chosen=residuals(of))
        rows[family] = np.concatenate([norms.ratio for norms in found.values()]).T
        tokens = [(token, r.kind) for token, norms in found.items() for r in norms.residuals]
        names = zip(("token", "kind"), zip(*tokens, strict=True), strict=True)
        coordinates[family] = xr.Dataset(coords={k: ("sum", list(v)) for k, v in names})

    def cases(draw: Draw | None) -> list[Case]:
        each = []
        for family, own in rows.items():
            dataset = coordinates[family].copy()
            entered(dataset, "ratio", own, draw, "sum")
            each.append(result(family, family, dataset))
        return residual_cases(each)

    return Population(len(population), EACH, cases)


def fields(population: ImageSet) -> Population:
    """E5 of the shipped ViT and ResNet; a member of the population is a group of four images."""
    amounts: dict[str, list[FieldAmounts]] = {}
    coordinates = {}
    for family in ("vit", "resnet"):
        of = populations.network(family)
        wanted = [one for one in residuals(of) if one.kind in ("attention", "unit")]
        sides = [(tap, role) for one in wanted for tap, role in _sides(one)]
        subject = Subject(ModelSpec(name=family, zoo=family), ("blocks",), trained=True)
        seen = Seen(of, subject, population, len(population), populations.PASS, "fields")
        found = field_amounts(seen, [tap for tap, _ in sides])
        amounts[family] = [found[tap.name] for tap, _ in sides]
        size = of.input_size[1:]
        even = [uniform_radius(size, centre_patch(of, tap), share=0.95) for tap, _ in sides]
        coordinates[family] = xr.Dataset(
            {"radius_95_uniform": ("layer", even)},
            {
                "role": ("layer", [role for _, role in sides]),
                "kind": ("layer", [wanted[0].kind] * len(sides)),
            },
        )

    def cases(draw: Draw | None) -> list[Case]:
        each = []
        for family, own in amounts.items():
            drawn = [_drawn(one, draw) for one in own]
            dataset = coordinates[family].copy()
            for at, name in enumerate(("centre_share", *RADII)):
                joined([one.at(slice(at, at + 1)) for one in drawn]).enter(dataset, name, "layer")
            each.append(result(family, family, dataset))
        return field_cases(each)

    return Population(len(population) // GROUP, 1, cases)


def _sides(one: Any) -> tuple[tuple[Tap, str], ...]:
    return ((one.branch, "before"), (one.sum, "after"))


def _drawn(one: FieldAmounts, draw: Draw | None) -> Any:
    held = one.held.sum(axis=0)[None] if draw is None else one.held[draw[:, 0]]
    images = np.full(len(held), GROUP * (len(one.held) if draw is None else 1), float)
    return replace(one, held=held).numbers(images)


def localization(population: ImageSet) -> Population:
    """E8 and E9 of the shipped ViT, its twin with average pooling, and ResNet."""
    networks = {"vit": ("vit", "CLS"), "vit-gap": ("vit", "GAP"), "resnet": ("resnet", "CLS")}
    grams = {zoo: _places(populations.network(zoo), population) for zoo in networks}

    def cases(draw: Draw | None) -> list[Case]:
        each = []
        for zoo, (family, pooling) in networks.items():
            dataset = _localized(*grams[zoo], draw)
            each.append(result(zoo, family, dataset, pooling=pooling))
        return localization_cases(each)

    return Population(len(population), 64, cases)


def _places(of: Network, population: ImageSet) -> tuple[Array, Array, tuple[int, int]]:
    """Grams (places, n, n) of the tokens of the row that claims are about, and of the patches."""
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
    each = (np.concatenate(x) for x in (own, patches))
    first, second = (np.stack([gram(x[:, i]) for i in range(x.shape[1])]) for x in each)
    return first, second, onto


def _localized(tokens: Array, patches: Array, onto: tuple[int, int], draw: Draw | None) -> Any:
    batches = [np.arange(tokens.shape[1])] if draw is None else list(draw)
    parts = [(_packed(tokens, one), _packed(patches, one)) for one in batches]
    hsics = Hsics(
        np.stack([a @ b.T for a, b in parts]),
        np.stack([(a * a).sum(axis=1) for a, _ in parts]),
        np.stack([(b * b).sum(axis=1) for _, b in parts]),
    )
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


def _packed(grams: Array, places: np.ndarray) -> Array:
    """Signatures (T, pairs) of one batch, of all places at once."""
    kernels = grams[:, places[:, None], places].astype(np.float64)
    n = len(places)
    kernels[:, range(n), range(n)] = 0
    rows = kernels.sum(axis=2)
    kernels -= (rows[:, :, None] + rows[:, None]) / (n - 2)
    kernels += (rows.sum(axis=1) / ((n - 1) * (n - 2)))[:, None, None]
    upper = kernels[:, *np.triu_indices(n, 1)]
    return np.asarray(upper * np.sqrt(2 / (n * (n - 3))))


def heads(population: ImageSet) -> Population:
    """E4 of a ViT with 12 heads beside the lowest unit of the shipped ResNet."""
    of, resnet = _many_heads(0), populations.network("resnet")
    block = attention_blocks(of)[0]
    outputs = np.concatenate(list(head_outputs(of, block, populations.passes(of, population))))
    flat = outputs.transpose(0, 2, 1, 3).reshape(len(outputs), block.heads, -1)
    own = np.stack([gram(flat[:, i]) for i in range(block.heads)])
    unit = next(one.block for one in residuals(resnet) if one.kind == "unit")
    other = np.stack(list(populations.grams(resnet, [unit], population).values()))
    distances = attention_distance(of, populations.passes(of, population)).plain[0].T
    vit = result("vit", "vit", xr.Dataset(attrs={"block": block.module, "heads": block.heads}))
    units = result("resnet", "resnet", xr.Dataset(coords={"part": [unit]}))

    def cases(draw: Draw | None) -> list[Case]:
        batches = [np.arange(len(distances))] if draw is None else list(draw)
        both = [_as_parts([_packed(grams, one) for one in batches]) for grams in (own, other)]
        means = np.stack([distances[one].mean(axis=0) for one in batches])
        return [subsets_case(vit, units, agreement(both[0], means, both[1]), None)]

    return Population(len(population), 64, cases)


def _as_parts(signed: Sequence[Array]) -> Parts:
    lengths = np.stack([np.linalg.norm(one, axis=1) for one in signed])
    directions = np.stack(list(signed)) / lengths[..., None]
    return Parts(directions.astype(np.float32), lengths)
