"""The flow that runs every experiment of the paper on a study's models, into one report."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.claims.requirements import AvailableModels
from seelike.analysis.claims.roles import fractions, pooling, role_assignments
from seelike.analysis.errors import AnalysisError
from seelike.flows.anatomy import analyze_models
from seelike.flows.compare import compare_models
from seelike.flows.probe import probe_models
from seelike.flows.run.opened_study import OpenedStudy, check_comparable, images_of, open_study
from seelike.flows.run.study_run import MOST_AT_ONCE, StudyRun, run_name, running
from seelike.flows.study.settings import Images
from seelike.flows.study.study import Study
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.probing import split_of
from seelike.tasks.reports.elements.selection import available_of
from seelike.tasks.reports.reproduction.report import write_reproduction
from seelike.tasks.results import AnatomyResult, ComparisonResult, ProbesResult, ReproductionResult
from seelike.tasks.step_results import AnalysisResult


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
    check_comparable(study.keep)
    opened = open_study(study.for_reproduction(), report=study.report_folder)
    # Opened now, so that images that cannot be probed on end the run before it computes anything.
    probe_images, unprobed = _probe_images(opened, study.reproduction.probes)
    transfer_images = _other_images(opened, study.reproduction.transfer)
    with running(opened) as run:
        plans = run.survey()
        run.log_start(plans)
        run.check_space(plans)
        run.start()
        comparison = compare_models(run, plans)
        plans = run.failures.remaining(plans)
        labels, second = probe_images is not None, transfer_images is not None
        available = available_of(plans, labels=labels, second=second)
        within_blocks = _compare_within_blocks(run, available)
        found = _analyze(run, plans, available)
        families = _families(available)
        probed = [*families, *fractions(available, "vit"), *pooling(available)]
        probes = _probe(run, probe_images, probed)
        transfer = _probe(run, transfer_images, families)
    written = write_reproduction(
        ReproductionResult(
            run.store.url,
            available,
            comparison,
            within_blocks,
            AnatomyResult(run.store.url, tuple(found)),
            probes,
            transfer,
            unprobed,
        ),
        folder=study.report_folder,
        missing=run.failures.missing,
    )
    run.failures.raise_if_any(report=str(written.report))
    return written


def _families(available: AvailableModels) -> list[str]:
    """The models that play a role of the paper, each once."""
    roles = role_assignments(available)
    return list(dict.fromkeys(name for assigned in roles for name in assigned))


def _compare_within_blocks(run: StudyRun, available: AvailableModels) -> ComparisonResult | None:
    """Compare the paper's layers, inside of blocks too, of each family's first model and all ViTs.

    None where these models failed.
    """
    roles = role_assignments(available)
    vits = [name for name in _families(available) if available.models[name]["family"] == "vit"]
    own = replace(run, study=run.study.within_blocks())
    networks = _networks(own, [*next(iter(roles), []), *vits])
    return compare_models(own, own.survey(networks)) if networks else None


def _networks(run: StudyRun, names: Iterable[str]) -> list[StudyModel]:
    """The networks of models that did not fail, and their untrained baselines."""
    chosen = set(names) - run.failures.failed.keys()
    return [one for one in run.study.networks() if chosen & {one.name, one.baseline_of}]


def _analyze(
    run: StudyRun, plans: Sequence[ModelPlan], available: AvailableModels
) -> list[AnalysisResult]:
    """Run each analysis of the paper on the models that its claims are about."""
    found: list[AnalysisResult] = []
    for analysis, names in _analyzed_models(available).items():
        models = set(names) - run.failures.failed.keys()
        chosen = [
            plan
            for plan in plans
            if models & {plan.name, plan.subject.baseline_of}
            and plan.name not in run.failures.failed
        ]
        try:
            found += analyze_models(run, chosen, analyses=[analysis]) if chosen else []
        except Exception as error:
            _raise_unless_failed(run, error)
    return found


def _raise_unless_failed(run: StudyRun, error: Exception) -> None:
    """Let the other experiments continue where every model of one has failed."""
    if error not in run.failures.failed.values():
        raise error


def _analyzed_models(available: AvailableModels) -> dict[str, list[str]]:
    """The models that each analysis is about."""
    families = _families(available)
    return {
        "attention": [*families, *fractions(available, "vit")],
        "heads": [one for one in families if available.models[one]["family"] != "mixer"],
        "receptive_fields": families,
        "residuals": families,
        "localization": [*families, *pooling(available)],
    }


def _probe_images(opened: OpenedStudy, asked: Images | None) -> tuple[OpenedStudy | None, str]:
    """The study on the images for its probes.

    Args:
        opened: The study.
        asked: Images for the probes, if they are not those of the study.

    Returns:
        The study on these images and no reason; or, where the study's own images are unfit for
        probes, None and the reason.

    Raises:
        AnalysisError: The images ``asked`` for are unfit.
    """
    if asked is not None:
        return _other_images(opened, asked), ""
    own = replace(opened, study=opened.study.for_probes())
    try:
        split_of(own.images, own.study.probing)
    except AnalysisError as error:
        return None, str(error)
    return own, ""


def _other_images(opened: OpenedStudy, asked: Images | None) -> OpenedStudy | None:
    """The study on other images, for probes; ``AnalysisError`` where these are unfit for them."""
    if asked is None:
        return None
    study = opened.study.for_probes(asked)
    images = images_of(study)
    split_of(images, study.probing)
    return replace(opened, study=study, images=images)


def _probe(run: StudyRun, opened: OpenedStudy | None, models: Iterable[str]) -> ProbesResult | None:
    """Probe some models on images of their own; None without images, or where all failed."""
    if opened is None:
        return None
    own = replace(run, study=opened.study, images=opened.images)
    networks = _networks(own, models)
    if not networks:
        return None
    try:
        found = probe_models(own, own.survey(networks))
    except Exception as error:
        _raise_unless_failed(run, error)
        return None
    return ProbesResult(run.store.url, tuple(found))
