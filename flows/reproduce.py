"""The flow that runs every experiment of the paper on a study's models, into one report."""

from collections.abc import Iterable
from functools import partial

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.claims.requirements import AvailableModels
from seelike.analysis.claims.roles import fractions, pooling, role_assignments
from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.devices import device
from seelike.flows.anatomy import looked_into
from seelike.flows.compare import compared
from seelike.flows.probe import probed
from seelike.flows.run.model_failures import ModelFailures
from seelike.flows.run.study_run import (
    MOST_AT_ONCE,
    check_comparable,
    images_of,
    run_name,
    survey_all,
)
from seelike.flows.study.settings import Images
from seelike.flows.study.study import Study
from seelike.storage.images import ImageSet
from seelike.storage.reports.write import check_folder
from seelike.storage.store import locate, make_store
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.planning.resources import check_space
from seelike.tasks.probing import split_of
from seelike.tasks.reports.elements.selection import available_of
from seelike.tasks.reports.reproduction.report import write_reproduction
from seelike.tasks.results import (
    AnalysisResult,
    AnatomyResult,
    ComparisonResult,
    ProbesResult,
    ReproductionResult,
)
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import workers
from seelike.tasks.runtime.run_log import run_log


@flow(
    name="reproduce",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def reproduce(study: Study) -> ReproductionResult:
    """Run every experiment of the paper on the models of a study, and write one report.

    Models are assigned to the paper's roles by what they are. What is in the store already, by this
    flow or by ``compare``, ``anatomy`` and ``probe``, is not computed again.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with ``.comparison``, ``.anatomy``, ``.probes`` (references) and ``.report``.

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
        >>> result = seelike.reproduce(study)  # doctest: +SKIP
        >>> result.report  # doctest: +SKIP
    """
    check_comparable(study)
    store = locate(study.store)
    study = study.model_copy(update={"store": store.url, "reduction": "flatten"})
    check_folder(study.report_folder)
    images = images_of(study)
    # Opened now: what is wrong with them is said before anything is computed.
    probed_on, unprobed = _probed_on(study, images)
    transferred_to = _on(study, study.reproduction.transfer)
    failures = ModelFailures()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, failures)
        run_log().info(f"reproducing on {len(images)} images; store {study.store}")
        check_space(plans, store=store, keep=study.keep)
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        comparison = compared(plans, study, images, failures, dask=dask)
        plans = failures.remaining(plans)
        available = available_of(
            plans,
            labels=probed_on is not None,
            second=transferred_to is not None,
        )
        fine = _fine(study, available, images, failures, dask=dask)
        found = _inside(plans, available, study, images, failures, dask=dask)
        families = list(
            dict.fromkeys(name for cast in role_assignments(available) for name in cast)
        )
        among = [*families, *fractions(available, "vit"), *pooling(available)]
        probe = partial(_probes, store=study.store, failures=failures, dask=dask)
        probes = probe(probed_on, among)
        transfer = probe(transferred_to, families)
    written = write_reproduction(
        ReproductionResult(
            study.store,
            available,
            comparison,
            fine,
            AnatomyResult(study.store, tuple(found)),
            probes,
            transfer,
            unprobed,
        ),
        folder=study.report_folder,
        missing=failures.missing,
    )
    failures.raise_if_any(report=str(written.report))
    return written


def _fine(
    study: Study,
    available: AvailableModels,
    images: ImageSet,
    failures: ModelFailures,
    *,
    dask: str | None,
) -> ComparisonResult | None:
    """The taps of the paper, inside the blocks too, of each family's first model and all ViTs."""
    each = role_assignments(available)
    vits = (name for cast in each for name in cast if available.models[name]["family"] == "vit")
    lead = [*next(iter(each), []), *vits]
    models = [
        model.model_copy(update={"taps": None})
        for model in study.models
        if model.name in lead and model.name not in failures.failed
    ]
    if not models:
        return None
    own = study.model_copy(
        update={"models": models, "taps": "paper", "similarity": ["cka"], "sweep": False}
    )
    plans = survey_all(own, images, failures)
    return compared(plans, own, images, failures, dask=dask)


def _inside(
    plans: list[ModelPlan],
    available: AvailableModels,
    study: Study,
    images: ImageSet,
    failures: ModelFailures,
    *,
    dask: str | None,
) -> list[AnalysisResult]:
    """What the paper looks for inside the models, each analysis of those that it is about."""
    found: list[AnalysisResult] = []
    for analysis, models in _looked_for(available).items():
        chosen = _these(plans, models)
        look = partial(looked_into, study=study, images=images, failures=failures, dask=dask)
        try:
            found += look(chosen, analyses=[analysis]) if chosen else []
        except Exception as error:
            # Where every model failed in this analysis the others and the report go on.
            if error not in failures.failed.values():
                raise
        plans = [plan for plan in plans if plan.name not in failures.failed]
    return found


def _looked_for(available: AvailableModels) -> dict[str, list[str]]:
    """The models that each analysis is about."""
    on_families = list(dict.fromkeys(name for cast in role_assignments(available) for name in cast))
    return {
        "attention": [*on_families, *fractions(available, "vit")],
        "heads": [one for one in on_families if available.models[one]["family"] != "mixer"],
        "receptive_fields": on_families,
        "residuals": on_families,
        "localization": [*on_families, *pooling(available)],
    }


def _these(plans: Iterable[ModelPlan], models: Iterable[str]) -> list[ModelPlan]:
    """The plans of ``models`` and of their untrained twins."""
    names = set(models)
    return [plan for plan in plans if names & {plan.name, plan.subject.baseline_of}]


# A study cut to an image set of its own, and that set.
On = tuple[Study, ImageSet]


def _on(study: Study, asked: Images | None) -> On | None:
    """``study`` on the image set ``asked`` for; errors where layers can't be probed on it."""
    if asked is None:
        return None
    own = study.model_copy(
        update={"images": asked, "similarity": ["cka"], "sweep": False, "keep": "activations"}
    )
    images = images_of(own)
    split_of(images, own.probing)
    return own, images


def _probed_on(study: Study, images: ImageSet) -> tuple[On | None, str]:
    """What layers are probed on; of the study's own images, none where they are unfit, and why."""
    if study.reproduction.probes is not None:
        return _on(study, study.reproduction.probes), ""
    try:
        split_of(images, study.probing)
    except AnalysisError as error:
        return None, str(error)
    return (study, images), ""


def _probes(
    on: On | None, models: list[str], *, store: str, failures: ModelFailures, dask: str | None
) -> ProbesResult | None:
    """The probes of ``models`` that did not fail, on their image set; None where there are none."""
    if on is None:
        return None
    study, images = on
    names = set(models) - failures.failed.keys()
    chosen = [model for model in study.models if model.name in names]
    if not chosen:
        return None
    own = study.model_copy(update={"models": chosen})
    try:
        plans = survey_all(own, images, failures)
        found = probed(plans, own, images, failures, dask=dask)
    except Exception as error:
        # Where every model failed here the rest of the report goes on.
        if error not in failures.failed.values():
            raise
        return None
    return ProbesResult(store, tuple(found))
