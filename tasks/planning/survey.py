"""Survey of a network before anything is computed: its taps, its identity, its cost."""

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
from seelike.tasks.planning.imported import imported_plan
from seelike.tasks.planning.plans import (
    ModelPlan,
    StudyModel,
    TapPlan,
    TrainingOrigin,
)
from seelike.tasks.runtime.retries import RETRIES
from seelike.tasks.runtime.threads import COMPUTE_SLOTS


def network_of(subject: StudyModel) -> Network:
    """Load a network; zoo members get their shipped weights, untrained baselines none."""
    spec = subject.spec
    if spec.zoo is None:
        return load(spec)
    card = shelf.card(spec.zoo)
    built = replace(spec, zoo=card["family"], seed=card["seed"])
    return load(built, weights=shelf.weights(spec.zoo) if subject.trained else None)


def chosen_taps(network: Network, subject: StudyModel) -> tuple[Tap, ...]:
    """Return the taps that the model's patterns choose in its network."""
    return () if subject.patterns is None else taps(network, subject.patterns)


@task(task_run_name="survey {subject.spec.name}", cache_policy=NO_CACHE, **RETRIES)
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
    """Load a network and make its plan; the plan of an imported model is made from the store.

    Args:
        subject: The model.
        images: The digest of the image set.
        count: How many images it has.
        batch: Images per batch.
        reduction: The reduction.
        measures: The study's measures.
        store: The store's URL.

    Returns:
        The plan.

    Raises:
        AnalysisError: For a network that cannot be loaded, and patterns that match no layer.
    """
    if subject.spec.imported is not None:
        setting = (images, batch, reduction)
        return imported_plan(subject, store=open_store(store), setting=setting, measures=measures)
    with COMPUTE_SLOTS:
        network = network_of(subject)
        return _plan(
            network,
            subject,
            images=images,
            count=count,
            batch=batch,
            reduction=reduction,
            measures=measures,
        )


def _plan(
    network: Network,
    subject: StudyModel,
    *,
    images: str,
    count: int,
    batch: int,
    reduction: str,
    measures: Sequence[str],
) -> ModelPlan:
    """Make the plan of a loaded network."""
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
    """Facts that a report gives of the network."""
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
    """The training of a zoo network, from its card."""
    start = card.get("start")
    return TrainingOrigin(
        data=card["images"].partition(",")[0],
        fraction=card.get("fraction", 1.0),
        start=None if start is None else f"zoo:{start['name']}",
        seed=card["seed"],
    )
