"""The flow that sketches a study's models, for `seelike nearest` over large stores."""

from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.flows.run.opened_study import open_study
from seelike.flows.run.study_run import MOST_AT_ONCE, StudyRun, run_name, running
from seelike.flows.study.study import Study
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.recording.sketches import sketch_model
from seelike.tasks.step_results import SignaturesResult, SketchesResult


@flow(
    name="sketch",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def sketch(study: Study) -> list[SketchesResult]:
    """Record every model of a study, sketch its signatures, and keep what ``keep`` says.

    What is in the store already is not computed again. A model that cannot be loaded or recorded
    fails alone; the others are sketched.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference per model.

    Raises:
        StudyError: The study contradicts itself; the message names the key and the remedy.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The sketches of the others are complete.
    """
    with running(open_study(study)) as run:
        plans = run.survey()
        run.log_start(plans)
        run.check_space(plans)
        run.start()
        signed = {one.plan.name: one for one in run.sign(plans)}
        left = [one.plan for one in signed.values()]
        sketches = run.failures.gather(left, partial(_submit, run, signed))
    run.failures.raise_if_any(report=run.store.url)
    return sketches


def _submit(
    run: StudyRun, signed: dict[str, SignaturesResult], plan: ModelPlan
) -> PrefectFuture[SketchesResult]:
    study = run.study
    return sketch_model.submit(
        signed[plan.name], store=run.store.url, keep=study.keep, projection=study.sketch
    )
