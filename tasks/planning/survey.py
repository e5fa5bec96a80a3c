"""Looking at a network before anything is computed: its taps, its identity, what it will cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.analysis.networks.layers.tap import Tap, taps
from seelike.analysis.networks.loading.families import built, family, pooling
from seelike.analysis.networks.loading.models import load
from seelike.analysis.networks.loading.skip_free import skip_free
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.recording.reduction import reduced_shape
from seelike.analysis.networks.transforms import preprocessing
from seelike.analysis.similarity.measures import PairMeasure, measure
from seelike.storage.arrays.batches import batches
from seelike.storage.digest import tap_file
from seelike.storage.networks import zoo as shelf
from seelike.storage.store import open_store
from seelike.tasks.planning.imported import imported
from seelike.tasks.planning.plans import (
    ModelPlan,
    StudyModel,
    TapPlan,
    TrainingOrigin,
)
from seelike.tasks.runtime.retries import RETRIED
from seelike.tasks.runtime.threads import SEATS


def network_of(subject: StudyModel) -> Network:
    """Load the network of ``subject``; zoo members get their shipped weights, twins none."""
    spec = subject.spec
    if spec.zoo is None:
        return load(spec)
    card = shelf.card(spec.zoo)
    built = replace(spec, zoo=card["family"], seed=card["seed"])
    return load(built, weights=shelf.weights(spec.zoo) if subject.trained else None)


def chosen_taps(network: Network, subject: StudyModel) -> tuple[Tap, ...]:
    """The taps that the subject's patterns choose in its network."""
    return () if subject.patterns is None else taps(network, subject.patterns)


@task(task_run_name="survey {subject.spec.name}", cache_policy=NO_CACHE, **RETRIED)
def survey(
    subject: StudyModel,
    *,
    images: str,
    count: int,
    batch: int,
    reduction: str,
    measures: Sequence[str] = ("cka",),
    store: str = "",
) -> ModelPlan:
    """What recording ``subject`` on the image set of digest ``images`` for ``measures`` means.

    Of what was imported nothing is to be recorded: its plan is in ``store``.
    """
    if subject.spec.imported is not None:
        setting = (images, batch, reduction)
        return imported(subject, store=open_store(store), setting=setting, measures=measures)
    with SEATS:
        network = network_of(subject)
        return _planned(
            network,
            subject,
            images=images,
            count=count,
            batch=batch,
            reduction=reduction,
            measures=measures,
        )


def _planned(
    network: Network,
    subject: StudyModel,
    *,
    images: str,
    count: int,
    batch: int,
    reduction: str,
    measures: Sequence[str],
) -> ModelPlan:
    """The plan of a network that was loaded."""
    chosen = chosen_taps(network, subject)
    plans = tuple(
        TapPlan(tap_file(tap.name), reduced_shape(tap, reduction), tap.depth, tap.layout)
        for tap in chosen
    )
    return ModelPlan(
        subject=subject,
        identity={
            "images": images,
            "model": network.identity(),
            "preprocessing": preprocessing(network),
            "taps": [plan.name for plan in plans],
            "reduction": reduction,
            "batch": batch,
            "dtype": "float32",
        },
        taps=plans,
        bounds=tuple(batches(count, batch)),
        batch=batch,
        reduction=reduction,
        facts=_facts(network, subject),
        measures=tuple(name for name in measures if isinstance(measure(name), PairMeasure)),
        reads_activations=any(measure(name).reads_activations for name in measures),
    )


def _facts(network: Network, subject: StudyModel) -> dict[str, Any]:
    """What a report says of the network beside its name."""
    identity = network.identity()
    facts: dict[str, Any] = {
        "family": family(network),
        "architecture": identity["architecture"],
        "arguments": identity["arguments"],
        "input": list(network.input_size),
        "built": built(network),
        "pooling": pooling(network),
        "skip_free": skip_free(network),
        "parameters": sum(p.numel() for p in network.module.parameters()),
        "weights": identity["weights"],
        "trained": subject.trained,
    }
    if subject.trained:
        facts["origin"] = asdict(subject.origin)
    if subject.spec.zoo is not None:
        facts["zoo"] = subject.spec.zoo
        if subject.trained:
            card = shelf.card(subject.spec.zoo)
            facts["test"], facts["origin"] = card["test"], asdict(_origin(card))
    return facts


def _origin(card: Mapping[str, Any]) -> TrainingOrigin:
    """What the card of a zoo network says of its training."""
    start = card.get("start")
    return TrainingOrigin(
        data=card["images"].partition(",")[0],
        fraction=card.get("fraction", 1.0),
        start=None if start is None else f"zoo:{start['name']}",
        seed=card["seed"],
    )
