"""The flow that goes from layers to models: their similarity, what explains it, and a map."""

from collections.abc import Sequence

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.similarity.models.umap_embedding import require_umap
from seelike.flows.run.opened_study import check_comparable, open_study
from seelike.flows.run.study_run import MOST_AT_ONCE, StudyRun, run_name, running
from seelike.flows.study.study import Study
from seelike.tasks.comparison.blockwise import compare_blocks
from seelike.tasks.model_map.map_models import map_models
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.reports.model_map.report import write_map
from seelike.tasks.results import MapResult


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
    check_comparable(study.keep)
    if study.map.method == "umap":
        require_umap()
    folder = map_folder(study)
    with running(open_study(study.for_map(), report=folder)) as run:
        plans = run.survey()
        run.log_start(plans)
        run.check_space(plans)
        run.start()
        mapped = _map(run, plans)
    written = write_map(mapped, folder=folder, missing=run.failures.missing)
    run.failures.raise_if_any(report=str(written.report))
    return written


def _map(run: StudyRun, plans: Sequence[ModelPlan]) -> MapResult:
    """Record and sign what is missing of some models, compare all pairs in blocks, map them."""
    signed = run.sign(plans)
    left = [one.plan for one in signed]
    provenance = run.provenance(left) | {"study": run.study.name}
    pairs = compare_blocks(
        signed,
        store=run.store.url,
        skip_degenerate=run.study.skip_degenerate,
        provenance=provenance,
        dask=run.dask,
    )
    return map_models(pairs, left, provenance=provenance, design=run.study.map_design)


def map_folder(study: Study) -> str:
    """Folder of the report: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/map"
