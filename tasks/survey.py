"""Looking at a network before anything is computed: its taps, its identity, what it will cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from analysis.networks.families import built, family, pooling
from analysis.networks.models import load
from analysis.networks.network import Network
from analysis.networks.reduction import reduced_shape
from analysis.networks.skip_free import skip_free
from analysis.networks.tap import Tap, taps
from analysis.networks.transforms import preprocessing
from analysis.similarity.measures import PairMeasure, measure
from analysis.similarity.sketches import USUAL, Projection
from storage import batched, recordings, signatures, sketches
from storage import zoo as shelf
from storage.batches import batches
from storage.digest import tap_file
from storage.errors import StorageError
from storage.store import Store, open_store
from tasks.imported import imported
from tasks.plans import ModelPlan, Origin, Subject, TapPlan
from tasks.retries import RETRIED
from tasks.signing import MEASURE
from tasks.sketching import sketch_identity
from tasks.threads import SEATS

# Metadata, the file system's own, and the comparison itself.
MARGIN_BYTES = 64 * 2**20


def network_of(subject: Subject) -> Network:
    """Load the network of ``subject``; zoo members get their shipped weights, twins none."""
    spec = subject.spec
    if spec.zoo is None:
        return load(spec)
    card = shelf.card(spec.zoo)
    built = replace(spec, zoo=card["family"], seed=card["seed"])
    return load(built, weights=shelf.weights(spec.zoo) if subject.trained else None)


def chosen_taps(network: Network, subject: Subject) -> tuple[Tap, ...]:
    """The taps that the subject's patterns choose in its network."""
    return () if subject.patterns is None else taps(network, subject.patterns)


@task(task_run_name="survey {subject.spec.name}", cache_policy=NO_CACHE, **RETRIED)
def survey(
    subject: Subject,
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
    subject: Subject,
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


def _facts(network: Network, subject: Subject) -> dict[str, Any]:
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


def _origin(card: Mapping[str, Any]) -> Origin:
    """What the card of a zoo network says of its training."""
    start = card.get("start")
    return Origin(
        data=card["images"].partition(",")[0],
        fraction=card.get("fraction", 1.0),
        start=None if start is None else f"zoo:{start['name']}",
        seed=card["seed"],
    )


def bytes_left(plan: ModelPlan, *, store: Store, keep: str, projection: Projection = USUAL) -> int:
    """Bytes that recording and signing ``plan``, or sketching it, will still write."""
    if keep == "sketches":
        return _sketch_bytes_left(plan, store=store, projection=projection)
    signed = max(
        _share_missing(store, signatures.KIND, plan.signatures(name)) for name in plan.measures
    )
    recorded = 0.0
    if keep == "activations" and activations_needed(plan, store=store):
        recorded = _share_missing(store, recordings.KIND, plan.recording)
    return int(plan.activation_bytes * recorded + plan.signature_bytes * signed)


def _sketch_bytes_left(plan: ModelPlan, *, store: Store, projection: Projection) -> int:
    """Bytes of the batches' parts that are missing, and of the sketches themselves."""
    name = sketches.name(sketch_identity(plan.signed_identity(MEASURE), projection))
    if store.holds(sketches.KIND, name):
        kept = sketches.open_sketches(store, name)
        parts = 0 if kept.complete else len(kept.missing()) + 1
    else:
        parts = len(plan.bounds) + 1
    return 4 * len(plan.taps) * projection.dimension * parts


def activations_needed(plan: ModelPlan, *, store: Store) -> bool:
    """Whether the recording of ``plan`` is to be complete: it was begun, or will be read.

    Activations that were removed stay away while the signatures of all measures are there.
    """
    begun = store.holds(recordings.KIND, plan.recording)
    return (
        begun
        or plan.reads_activations
        or any(
            _share_missing(store, signatures.KIND, plan.signatures(name)) for name in plan.measures
        )
    )


def _share_missing(store: Store, kind: str, name: str) -> float:
    """The share of batches that a recording or signatures still lack; 1 where there are none."""
    if not store.holds(kind, name):
        return 1.0
    kept = batched.opened(store, kind, name).ledger
    return len(kept.missing()) / kept.batches


def check_space(
    plans: Sequence[ModelPlan], *, store: Store, keep: str, projection: Projection = USUAL
) -> None:
    """Refuse what does not fit: ``StorageError`` with both numbers and the remedy."""
    free = store.free_bytes()
    if free is None:
        return
    needed = sum(bytes_left(plan, store=store, keep=keep, projection=projection) for plan in plans)
    if not fits(needed, free=free):
        raise StorageError(
            f"the plan needs {megabytes(needed + MARGIN_BYTES)} in {store.url}, "
            f"{megabytes(free)} are free; set keep: signatures, fewer images or taps, "
            "or another store"
        )


def fits(needed: int, *, free: int) -> bool:
    """Whether ``needed`` bytes, and what comes with them, go where ``free`` bytes are."""
    return not needed or needed + MARGIN_BYTES <= free


def megabytes(size: int) -> str:
    """A number of bytes as a person reads it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
