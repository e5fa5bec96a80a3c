"""Coverage of claims' numbers inside networks: attention, receptive fields, skips."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from benchmarks.coverage import populations
from benchmarks.coverage.cka import of_case
from benchmarks.coverage.shares import Hits, Repeats, data_sets, hit, holds, shares
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.experiments.attention import attention_cases
from seelike.analysis.claims.experiments.receptive_fields import field_cases
from seelike.analysis.claims.experiments.residuals import residual_cases
from seelike.analysis.claims.results import ModelResult
from seelike.analysis.networks import ModelSpec, load
from seelike.analysis.networks.anatomy.attention import attention_distance
from seelike.analysis.networks.anatomy.field_numbers import uniform_radius
from seelike.analysis.networks.anatomy.receptive_fields import centre_patch
from seelike.analysis.networks.anatomy.residuals import residual_norms, residuals
from seelike.analysis.networks.layers.tap import Tap
from seelike.analysis.networks.network import Network
from seelike.analysis.similarity import jackknifed
from seelike.analysis.similarity.gram import Array
from seelike.analysis.similarity.intervals.estimate import Estimate
from seelike.analysis.similarity.intervals.jackknife import concatenate
from seelike.storage.images import ImageSet
from seelike.tasks.anatomy.context import GROUP, AnalysisInput
from seelike.tasks.anatomy.receptive_fields import RADII, FieldAmounts, field_amounts
from seelike.tasks.planning.plans import StudyModel

# Images per group where each image is measured alone.
EACH = 16
# One data set: numbers of its images, (groups, images per group).
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


def covered(one: Population, *, repeats: Repeats) -> dict[str, dict[int, float]]:
    """The share of data sets whose intervals hold the truth, by number and count of groups."""
    rng, truth, hits = np.random.default_rng(0), dict(one.estimates(None)), Hits()
    for wanted in data_sets(repeats):
        draw = np.stack([rng.choice(one.size, one.each, replace=False) for _ in range(max(wanted))])
        for count in wanted:
            for name, number in one.estimates(draw[:count]):
                hit(hits, name, count, holds(number, truth[name].value))
    return shares(hits)


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


def many_heads(seed: int) -> Network:
    arguments = {"img_size": 28, "patch_size": 4, "embed_dim": 96, "depth": 4, "num_heads": 12}
    spec = ModelSpec(
        name="many heads",
        timm="vit_tiny_patch16_224",
        seed=seed,
        arguments=arguments | {"in_chans": 1, "num_classes": 10},
    )
    return load(spec)


def _distances(seed: int, population: ImageSet) -> tuple[Array, xr.Dataset]:
    of = many_heads(seed)
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
        subject = StudyModel(ModelSpec(name=family, zoo=family), ("blocks",), trained=True)
        seen = AnalysisInput(of, subject, population, len(population), populations.PASS, "fields")
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
            drawn = [_sampled(one, draw) for one in own]
            dataset = coordinates[family].copy()
            for at, name in enumerate(("centre_share", *RADII)):
                concatenate([one.at(slice(at, at + 1)) for one in drawn]).enter(
                    dataset, name, "layer"
                )
            each.append(result(family, family, dataset))
        return field_cases(each)

    return Population(len(population) // GROUP, 1, cases)


def _sides(one: Any) -> tuple[tuple[Tap, str], ...]:
    return ((one.branch, "before"), (one.sum, "after"))


def _sampled(one: FieldAmounts, draw: Draw | None) -> Any:
    held = one.held.sum(axis=0)[None] if draw is None else one.held[draw[:, 0]]
    images = np.full(len(held), GROUP * (len(one.held) if draw is None else 1), float)
    return replace(one, held=held).numbers(images)
