"""The flow that looks into a study's models: attention, receptive fields, skip connections."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from prefect import flow
from prefect.futures import PrefectFutureList
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.flows.errors import StudyError
from seelike.flows.run.opened_study import open_study
from seelike.flows.run.study_run import MOST_AT_ONCE, StudyRun, run_name, running
from seelike.flows.study.study import Study
from seelike.tasks.anatomy.analyze import analyze_model
from seelike.tasks.anatomy.registry import ANALYSES
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.settings import ChosenParts
from seelike.tasks.reports.anatomy.report import write_anatomy
from seelike.tasks.results import AnatomyResult
from seelike.tasks.step_results import AnalysisResult


@flow(
    name="anatomy",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def anatomy(study: Study) -> AnatomyResult:
    """Look into every model of a study by each of its analyses, and write the report.

    What is in the store already is not computed again. A model that lacks a part (a ResNet has no
    attention) is named in the report. One that cannot be loaded or measured fails alone.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with ``.open(model, analysis)`` (an xarray Dataset) and ``.report``.

    Raises:
        StudyError: A block or token that the study chose is in no model.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The others are complete, in the store and the report.

    Examples:
        >>> import seelike
        >>> study = {
        ...     "name": "first", "store": "store", "report": "reports/first",
        ...     "images": {"source": "sample", "count": 256},
        ...     "models": [{"name": "ViT", "zoo": "vit"}, {"name": "ResNet", "zoo": "resnet"}],
        ... }
        >>> result = seelike.anatomy(study)  # doctest: +SKIP
        >>> result.open("ViT", "attention")["plain"]  # pixels  # doctest: +SKIP
    """
    folder = anatomy_folder(study)
    with running(open_study(study.for_anatomy(), report=folder)) as run:
        plans = run.survey(_networks(study))
        run.log_start(plans)
        run.start()
        found = analyze_models(run, plans, analyses=study.anatomy)
    written = write_anatomy(
        AnatomyResult(run.store.url, tuple(found)),
        images=run.images.describe(),
        folder=folder,
        missing=run.failures.missing,
    )
    run.failures.raise_if_any(report=str(written.report))
    _check_chosen(written)
    return written


def _check_chosen(written: AnatomyResult) -> None:
    """Raise ``StudyError`` where a block or token that the study chose is in no model.

    One that some models have is reported as a missing part of the others.
    """
    for analysis in dict.fromkeys(one.analysis for one in written.found):
        found = [one for one in written.found if one.analysis == analysis]
        out_of_range = [one.missing_part for one in found if one.out_of_range]
        if out_of_range and all(one.out_of_range or one.missing_part for one in found):
            raise StudyError(
                f"{analysis}: {out_of_range[0]}; the other analyses are in {written.report}"
            )


def anatomy_folder(study: Study) -> str:
    """Folder of the report: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/anatomy"


def _networks(study: Study) -> list[StudyModel]:
    """The networks; without patterns of layers, which may fit none, where no analysis reads any."""
    networks = study.networks()
    if any(ANALYSES[name].reads_taps for name in study.anatomy):
        return networks
    return [replace(network, patterns=None) for network in networks]


def analyze_models(
    run: StudyRun, plans: Sequence[ModelPlan], *, analyses: Sequence[str]
) -> list[AnalysisResult]:
    """Run analyses of some models.

    Args:
        run: The run of the study.
        plans: The models.
        analyses: Names of analyses, such as ``attention``.

    Returns:
        The results of the models that did not fail, those of one model together.
    """
    gathered = run.failures.gather(plans, partial(_submit, run, analyses))
    return [one for results in gathered for one in results]


def _submit(
    run: StudyRun, analyses: Sequence[str], plan: ModelPlan
) -> PrefectFutureList[AnalysisResult]:
    """Submit all analyses of one model."""
    study = run.study
    tokens = tuple((row, column) for row, column in study.localization_tokens)
    most = {"receptive_fields": study.receptive_field_images}
    # Prefect's own stub leaves it abstract.
    return PrefectFutureList(  # type: ignore[abstract]
        analyze_model.submit(
            plan,
            run.quoted_images,
            analysis=analysis,
            count=min(most.get(analysis, len(run.images)), len(run.images)),
            store=run.store.url,
            device=study.compute.device,
            forward_batch=study.compute.forward_batch or 64,
            chosen=ChosenParts(study.head_block, tokens),
            dask=run.dask,
        )
        for analysis in analyses
    )
