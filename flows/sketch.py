"""The flow that sketches a study's models, for `seelike nearest` over large stores."""

from collections.abc import Sequence
from functools import partial

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from analysis.networks.devices import device
from flows.branches import Branches, results
from flows.compare import signed
from flows.steps import MOST_AT_ONCE, images_of, run_name, survey_all
from flows.study import Study
from storage.store import locate, make_store
from tasks.cluster import workers
from tasks.references import SignaturesReference
from tasks.sketch import SketchesReference, sketch_model
from tasks.stopping import stopping_on_interrupt
from tasks.survey import check_space


@flow(
    name="sketch",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=MOST_AT_ONCE),  # type: ignore[arg-type]
)
def sketch(study: Study) -> list[SketchesReference]:
    """Record every model of ``study`` and sketch its signatures, with what ``keep`` says beside.

    What is in the store already is not computed again. A model that can't be loaded or recorded
    fails alone: the others are sketched, and then ``Incomplete`` is raised.
    """
    store = locate(study.store)
    study = study.model_copy(update={"store": store.url})
    images = images_of(study)
    branches = Branches()
    with stopping_on_interrupt(), workers(study.compute.dask) as dask:
        plans = survey_all(study, images, branches)
        check_space(plans, store=store, keep=study.keep, projection=study.sketch)
        if dask is None:
            device(study.compute.device)
        make_store(study.store)
        complete = signed(plans, study, images, branches, dask=dask)
        made = _sketched(complete, study, branches)
    branches.close(report=study.store)
    return made


def _sketched(
    complete: Sequence[SignaturesReference], study: Study, branches: Branches
) -> list[SketchesReference]:
    def submitted(one: SignaturesReference) -> PrefectFuture[SketchesReference]:
        return sketch_model.submit(one, store=study.store, keep=study.keep, projection=study.sketch)

    futures = branches.wait({one.plan.name: partial(submitted, one) for one in complete})
    done = branches.wait({name: results(future) for name, future in futures.items()})
    return [done[plan.name] for plan in branches.left([one.plan for one in complete])]
