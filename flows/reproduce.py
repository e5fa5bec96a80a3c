"""The flow that runs every experiment of the paper on a study's models, into one report."""

from collections.abc import Iterable
from functools import partial

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from analysis.claims.cast import casts, fractions, pooling
from analysis.claims.needs import Available
from analysis.errors import AnalysisError
from analysis.networks.devices import device
from flows.anatomy import looked_into
from flows.branches import Branches
from flows.compare import compared
from flows.parts import Images
from flows.probe import probed
from flows.steps import MOST_AT_ONCE, check_comparable, images_of, run_name, survey_all
from flows.study import Study
from storage.images import ImageSet
from storage.reports import check_folder
from storage.store import locate, make_store
from tasks.cluster import workers
from tasks.plans import ModelPlan
from tasks.probed import split_of
from tasks.references import AnatomyReference, ComparisonReference, Found, ProbesReference
from tasks.reproduced import ReproductionReference, available_of
from tasks.reproduction import write_reproduction
from tasks.run_log import run_log
from tasks.stopping import stopping_on_interrupt
from tasks.survey import check_space


@flow(
    name="reproduce",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def reproduce(study: Study) -> ReproductionReference:
    """Run every experiment of the paper on the models of ``study``, and write one report.

    ``study`` may be a Study, a dictionary of its keys, or the path of a study file. Which model
    plays which part is found from what the models are. What is in the store already, by this
    flow or by `compare`, `anatomy` and `probe`, is not computed again. A model that fails is
    missing from what comes after; the report is written, and then ``Incomplete`` is raised.
    """
    check_comparable(study)
    store = locate(study.store)
    study = study.model_copy(update={"store": store.url, "reduction": "flatten"})
    check_folder(study.report_folder)
    images = images_of(study)
    # Opened now: what is wrong with them is said before anything is computed.
    probed_on, unprobed = _probed_on(study, images)
    transferred_to = _on(study, study.reproduction.transfer)
    branches = Branches()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, branches)
        run_log().info(f"reproducing on {len(images)} images; store {study.store}")
        check_space(plans, store=store, keep=study.keep)
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        comparison = compared(plans, study, images, branches, dask=dask)
        plans = branches.left(plans)
        available = available_of(
            plans,
            labels=probed_on is not None,
            second=transferred_to is not None,
        )
        fine = _fine(study, available, images, branches, dask=dask)
        found = _inside(plans, available, study, images, branches, dask=dask)
        families = list(dict.fromkeys(name for cast in casts(available) for name in cast))
        among = [*families, *fractions(available, "vit"), *pooling(available)]
        probe = partial(_probes, store=study.store, branches=branches, dask=dask)
        probes = probe(probed_on, among)
        transfer = probe(transferred_to, families)
    written = write_reproduction(
        ReproductionReference(
            study.store,
            available,
            comparison,
            fine,
            AnatomyReference(study.store, tuple(found)),
            probes,
            transfer,
            unprobed,
        ),
        folder=study.report_folder,
        missing=branches.missing,
    )
    branches.close(report=str(written.report))
    return written


def _fine(
    study: Study, available: Available, images: ImageSet, branches: Branches, *, dask: str | None
) -> ComparisonReference | None:
    """The taps of the paper, inside the blocks too, of each family's first model and all ViTs."""
    each = casts(available)
    vits = (name for cast in each for name in cast if available.models[name]["family"] == "vit")
    lead = [*next(iter(each), []), *vits]
    models = [
        model.model_copy(update={"taps": None})
        for model in study.models
        if model.name in lead and model.name not in branches.failed
    ]
    if not models:
        return None
    own = study.model_copy(
        update={"models": models, "taps": "paper", "similarity": ["cka"], "sweep": False}
    )
    plans = survey_all(own, images, branches)
    return compared(plans, own, images, branches, dask=dask)


def _inside(
    plans: list[ModelPlan],
    available: Available,
    study: Study,
    images: ImageSet,
    branches: Branches,
    *,
    dask: str | None,
) -> list[Found]:
    """What the paper looks for inside the models, each analysis of those that it is about."""
    found: list[Found] = []
    for analysis, models in _looked_for(available).items():
        chosen = _these(plans, models)
        look = partial(looked_into, study=study, images=images, branches=branches, dask=dask)
        try:
            found += look(chosen, analyses=[analysis]) if chosen else []
        except Exception as error:
            # Where every model failed in this analysis the others and the report go on.
            if error not in branches.failed.values():
                raise
        plans = [plan for plan in plans if plan.name not in branches.failed]
    return found


def _looked_for(available: Available) -> dict[str, list[str]]:
    """The models that each analysis is about."""
    on_families = list(dict.fromkeys(name for cast in casts(available) for name in cast))
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
    on: On | None, models: list[str], *, store: str, branches: Branches, dask: str | None
) -> ProbesReference | None:
    """The probes of ``models`` that did not fail, on their image set; None where there are none."""
    if on is None:
        return None
    study, images = on
    names = set(models) - branches.failed.keys()
    chosen = [model for model in study.models if model.name in names]
    if not chosen:
        return None
    own = study.model_copy(update={"models": chosen})
    try:
        plans = survey_all(own, images, branches)
        found = probed(plans, own, images, branches, dask=dask)
    except Exception as error:
        # Where every model failed here the rest of the report goes on.
        if error not in branches.failed.values():
            raise
        return None
    return ProbesReference(store, tuple(found))
