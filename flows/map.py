"""The flow that goes from layers to models: how alike they are, what explains it, and a map."""

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.networks.devices import device
from seelike.analysis.similarity.models.umap_embedding import require_umap
from seelike.flows.compare import signed
from seelike.flows.run.model_failures import ModelFailures
from seelike.flows.run.study_run import (
    MOST_AT_ONCE,
    check_comparable,
    images_of,
    provenance,
    run_name,
    survey_all,
)
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.reports.write import check_folder
from seelike.storage.store import locate, make_store
from seelike.tasks.comparison.blockwise import compare_blocks
from seelike.tasks.model_map.map_models import map_models
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import check_space
from seelike.tasks.planning.settings import MapDesign
from seelike.tasks.reports.model_map.report import write_map
from seelike.tasks.results import MapResult
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import workers
from seelike.tasks.runtime.run_log import run_log


@flow(
    name="map",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def map_study(study: Study) -> MapResult:
    """Compare all layers of a study's models, go from layers to models, and write the report.

    What is in the store already is not computed again. Parts that take more models than there are
    are named and left out. A model that cannot be loaded or recorded fails alone.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with ``.open()`` (an xarray Dataset: similarities of models, factors, places of
        all layers in the plane), ``.url``, ``.pairs`` (all pairs of layers) and ``.report``.

    Raises:
        StudyError: The study contradicts itself; the message names the key and the remedy.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The others are complete, in the store and the report.

    Examples:
        >>> import seelike
        >>> study = {
        ...     "name": "first", "store": "store", "report": "reports/first",
        ...     "images": {"source": "sample", "count": 256},
        ...     "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        ... }
        >>> result = seelike.map_models(study)  # doctest: +SKIP
        >>> result.open()["similarity"].sel(aggregate="aligned")  # doctest: +SKIP
    """
    check_comparable(study)
    store = locate(study.store)
    if study.map.method == "umap":
        require_umap()
    # A map is of CKA: other measures of the study are not its business.
    study = study.model_copy(update={"store": store.url, "similarity": ["cka"], "sweep": False})
    folder = map_folder(study)
    check_folder(folder)
    images = images_of(study)
    failures = ModelFailures()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, failures)
        names = ", ".join(plan.name for plan in plans)
        run_log().info(f"map of {names} on {len(images)} images; store {study.store}")
        check_space(plans, store=store, keep=study.keep)
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        mapped = _mapped(plans, study, images, failures, dask=dask)
    written = write_map(mapped, folder=folder, missing=failures.missing)
    failures.raise_if_any(report=str(written.report))
    return written


def _mapped(
    plans: list[ModelPlan],
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    dask: str | None,
) -> MapResult:
    """Record and sign what is missing of ``plans``, compare all pairs in blocks, and map them."""
    complete = signed(plans, study, images, failures, dask=dask)
    left = [one.plan for one in complete]
    about = provenance(study, images, left) | {"study": study.name}
    pairs = compare_blocks(
        complete,
        store=study.store,
        skip_degenerate=study.skip_degenerate,
        provenance=about,
        dask=dask,
    )
    design = MapDesign(
        window=study.map.window,
        method=study.map.method,
        permutations=study.permutations,
        skip_degenerate=study.skip_degenerate,
        memory=int(study.compute.memory * 1e9),
    )
    return map_models(pairs, left, provenance=about, design=design)


def map_folder(study: Study) -> str:
    """Where the report goes: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/map"
