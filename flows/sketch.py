"""The flow that sketches a study's models, for `seelike nearest` over large stores."""

from collections.abc import Sequence
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.networks.devices import device
from seelike.flows.compare import signed
from seelike.flows.run.model_failures import ModelFailures, results
from seelike.flows.run.study_run import MOST_AT_ONCE, images_of, run_name, survey_all
from seelike.flows.study.study import Study
from seelike.storage.store import locate, make_store
from seelike.tasks.planning.resources import check_space
from seelike.tasks.recording.sketches import sketch_model
from seelike.tasks.results import SignaturesResult, SketchesResult
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import workers


@flow(
    name="sketch",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def sketch(study: Study) -> list[SketchesResult]:
    """Record every model of ``study`` and sketch its signatures, with what ``keep`` says beside.

    What is in the store already is not computed again. A model that can't be loaded or recorded
    fails alone: the others are sketched, and then ``Incomplete`` is raised.
    """
    store = locate(study.store)
    study = study.model_copy(update={"store": store.url})
    images = images_of(study)
    failures = ModelFailures()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, failures)
        check_space(plans, store=store, keep=study.keep, projection=study.sketch)
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        complete = signed(plans, study, images, failures, dask=dask)
        made = _sketched(complete, study, failures)
    failures.raise_if_any(report=study.store)
    return made


def _sketched(
    complete: Sequence[SignaturesResult], study: Study, failures: ModelFailures
) -> list[SketchesResult]:
    def submitted(one: SignaturesResult) -> PrefectFuture[SketchesResult]:
        return sketch_model.submit(one, store=study.store, keep=study.keep, projection=study.sketch)

    futures = failures.wait({one.plan.name: partial(submitted, one) for one in complete})
    done = failures.wait({name: results(future) for name, future in futures.items()})
    return [done[plan.name] for plan in failures.remaining([one.plan for one in complete])]
