"""Giving what a study signed to another group, and taking in what they signed."""

from collections.abc import Iterator
from pathlib import Path

from seelike.flows.errors import StudyError
from seelike.flows.run.study_run import images_of, subjects_of, surveyed
from seelike.flows.study.study import Study
from seelike.storage.arrays import sketches
from seelike.storage.catalogue import volumes
from seelike.storage.exchange import archive, transfer
from seelike.storage.exchange.parcels import ExchangeVolume, parcel
from seelike.storage.store import Store, make_store, open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import format_bytes

# What says on which images and how a study's models are signed.
SAME = ("batch", "reduction")


def export(study: Study, path: Path) -> str:
    """Write the signatures and sketches of all models of ``study`` into an archive at ``path``.

    Neither images nor weights are in it. What was written is told. Raises ``StudyError`` for a
    model of which nothing complete is in the store.
    """
    images, store = images_of(study), open_store(study.store)
    # Models that are one network, as untrained twins of two are, go once.
    parcels: dict[tuple[str, str], ExchangeVolume] = {}
    for subject in subjects_of(study):
        found = list(_parcels(surveyed(subject, study, images), store))
        if not found:
            raise StudyError(
                f"{subject.name} has no complete signatures or sketches in {store.url}; run "
                "`seelike compare` or `seelike sketch` with this study first"
            )
        parcels |= {(one.kind, one.name): one for one in found}
    sent = list(parcels.values())
    transfer.send(store, sent, images, path)
    lines = [f"{one.kind} of {one.attributes['model']}, {len(one.taps)} taps" for one in sent]
    told = f"{path}, {format_bytes(path.stat().st_size)}, SHA-256 {archive.sha256(path)}"
    return "\n".join([*lines, told])


def receive(study: Study, path: Path) -> str:
    """Take the archive at ``path`` into the store of ``study``, which has the same images.

    All of it is checked before anything is written. What was taken is told. Raises
    ``StorageError`` for what is damaged, altered or made on other images, ``StudyError`` for
    what was made in other batches, or reduced otherwise.
    """
    images = images_of(study)
    with archive.opened(path) as opened:
        parcels = transfer.received(opened, images)
        for one in parcels:
            _check_same(one, study)
        store = make_store(study.store)
        transfer.check_room(store, opened)
        new = {one.name: transfer.keep(store, one, opened) for one in parcels}
    return "\n".join(
        f"{one.attributes['model']}: {one.kind} of {len(one.taps)} taps "
        f"{'taken in' if new[one.name] else 'were there already'}"
        for one in parcels
    )


def _parcels(plan: ModelPlan, store: Store) -> Iterator[ExchangeVolume]:
    """What is complete of one model: signatures for every measure, sketches of any dimension."""
    for measure in plan.measures:
        found = parcel(store, "signatures", plan.signatures(measure))
        if found is not None:
            yield found
    for one in volumes(store, sketches.KIND):
        if one.signed == plan.identity:
            found = parcel(store, one.kind, one.name)
            if found is not None:
                yield found


def _check_same(one: ExchangeVolume, study: Study) -> None:
    asked = study.model_dump(include=set(SAME))
    for key in SAME:
        if one.identity[key] != asked[key]:
            raise StudyError(
                f"{one.attributes['model']} was recorded with {key}: {one.identity[key]}, the "
                f"study has {asked[key]}; nothing was changed: set {key} as they did to compare"
            )
