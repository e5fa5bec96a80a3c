"""Export a study's signatures and sketches, and import those of another group."""

from collections.abc import Iterator
from pathlib import Path

from seelike.flows.errors import StudyError
from seelike.flows.run.opened_study import images_of, open_study
from seelike.flows.study.study import Study
from seelike.storage.arrays import sketches
from seelike.storage.catalogue import model_signatures
from seelike.storage.exchange import archive, transfer
from seelike.storage.exchange.volume import ExchangeVolume, complete_volume
from seelike.storage.store import Store, make_store, open_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import format_bytes


def export(study: Study, path: Path) -> str:
    """Write the signatures and sketches of all models of a study into an archive.

    Args:
        study: The study; its store has to hold complete signatures or sketches of every model.
        path: The archive to write. It holds neither images nor weights.

    Returns:
        A line per entry, then the path, size and SHA-256 of the archive.

    Raises:
        StudyError: The store holds nothing complete of a model.
    """
    opened, store = open_study(study), open_store(study.store)
    # Models that are one network, as untrained baselines of two may be, go once.
    volumes: dict[tuple[str, str], ExchangeVolume] = {}
    for network in study.networks():
        found = list(_volumes(opened.plan(network), store))
        if not found:
            raise StudyError(
                f"{network.name} has no complete signatures or sketches in {store.url}; run "
                "`seelike compare` or `seelike sketch` with this study first"
            )
        volumes |= {(one.kind, one.name): one for one in found}
    sent = list(volumes.values())
    transfer.write_volumes(store, sent, opened.images, path)
    lines = [f"{one.kind} of {one.attributes['model']}, {len(one.taps)} layers" for one in sent]
    size = format_bytes(path.stat().st_size)
    return "\n".join([*lines, f"{path}, {size}, SHA-256 {archive.sha256(path)}"])


def receive(study: Study, path: Path) -> str:
    """Import an archive of another group into the store of a study on the same images.

    All of it is checked before anything is written.

    Args:
        study: The study; its images, batch and reduction have to be those of the archive.
        path: The archive.

    Returns:
        A line per entry.

    Raises:
        StorageError: The archive is damaged, altered, or made on other images.
        StudyError: Its entries have another batch or reduction.
    """
    images = images_of(study)
    with archive.opened(path) as opened:
        volumes = transfer.read_volumes(opened, images)
        for one in volumes:
            _check_same(one, batch=study.batch, reduction=study.reduction)
        store = make_store(study.store)
        transfer.check_space(store, opened)
        new = {one.name: transfer.store_volume(store, one, opened) for one in volumes}
    return "\n".join(
        f"{one.attributes['model']}: {one.kind} of {len(one.taps)} layers "
        f"{'imported' if new[one.name] else 'in the store already'}"
        for one in volumes
    )


def _volumes(plan: ModelPlan, store: Store) -> Iterator[ExchangeVolume]:
    """Complete signatures, for every measure, and sketches, of any dimension, of one model."""
    for measure in plan.measures:
        found = complete_volume(store, "signatures", plan.signatures(measure))
        if found is not None:
            yield found
    for one in model_signatures(store, sketches.KIND):
        if one.signed == plan.identity:
            found = complete_volume(store, one.kind, one.name)
            if found is not None:
                yield found


def _check_same(one: ExchangeVolume, **settings: int | str) -> None:
    """Raise ``StudyError`` where signatures depend on other ``settings`` than those of a study."""
    for key, value in settings.items():
        if one.identity[key] != value:
            raise StudyError(
                f"{one.attributes['model']} was recorded with {key}: {one.identity[key]}, the "
                f"study has {value}; nothing was changed: set {key} as they did to compare"
            )
