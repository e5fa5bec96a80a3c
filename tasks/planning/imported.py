"""The plan of a model that was imported: only its signatures are in the store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seelike.analysis.errors import AnalysisError
from seelike.analysis.similarity.measures import PairMeasure, measure
from seelike.storage.arrays import signatures
from seelike.storage.arrays.signatures import open_signatures
from seelike.storage.catalogue import find_models, model_signatures
from seelike.storage.errors import suggest
from seelike.storage.store import Store
from seelike.tasks.planning.plans import ModelPlan, StudyModel, TapPlan


def imported_plan(
    subject: StudyModel, *, store: Store, setting: tuple[Any, ...], measures: Sequence[str]
) -> ModelPlan:
    """Make the plan of an imported model.

    Args:
        subject: The model; ``imported`` of its spec names it in the store.
        store: The store.
        setting: The study's image set, batch size and reduction; signatures need the same.
        measures: The study's measures.

    Returns:
        The plan.

    Raises:
        AnalysisError: For signatures that the store lacks, with the remedy.
    """
    name, wanted = subject.name, str(subject.spec.imported)
    known = [one for one in model_signatures(store, signatures.KIND) if one.setting == setting]
    found = find_models(known, wanted)
    if len(found) != 1:
        offer = f"; {suggest(wanted, [one.model for one in known])}" if known else ""
        several = f", name one by its digest: {', '.join(one.name[:12] for one in found)}"
        raise AnalysisError(
            f"model {name!r}: imported: {wanted!r} means {len(found)} models of {store.url} on the "
            f"images, batch and reduction of the study{several if found else offer}; `seelike "
            "import` takes in what another group exported"
        )
    volume = found[0]
    kept = open_signatures(store, volume.name)
    depths = volume.depths or (0.0,) * len(volume.taps)
    plan = ModelPlan(
        subject=replace(subject, trained=bool(volume.facts["trained"])),
        identity=volume.identity,
        taps=tuple(TapPlan(tap, (), depth) for tap, depth in zip(volume.taps, depths, strict=True)),
        bounds=kept.bounds,
        batch=volume.identity["batch"],
        reduction=volume.identity["reduction"],
        facts=volume.facts,
        measures=tuple(one for one in measures if isinstance(measure(one), PairMeasure)),
    )
    lacking = [one for one in measures if not _in_store(plan, one, store)]
    if lacking:
        raise AnalysisError(
            f"model {name!r} was imported without what {', '.join(lacking)} reads; leave it out of "
            "similarity, or ask for signatures of a study that has it"
        )
    return plan


def _in_store(plan: ModelPlan, name: str, store: Store) -> bool:
    """Return whether the store has everything that a measure reads of the model."""
    if measure(name).reads_activations:
        return False
    if not isinstance(measure(name), PairMeasure):
        return True
    kept = plan.signatures(name)
    return store.holds(signatures.KIND, kept) and not open_signatures(store, kept).missing()
