"""One run of a study: the steps that all flows share, with the study's settings filled in."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.utilities.annotations import quote

from seelike.analysis.networks.devices import device
from seelike.flows.run.model_failures import ModelFailures
from seelike.flows.run.opened_study import OpenedStudy
from seelike.storage.arrays.batches import shards
from seelike.storage.images import ImageSet
from seelike.storage.store import make_store
from seelike.tasks.planning.plans import ModelPlan, StudyModel
from seelike.tasks.planning.resources import check_space
from seelike.tasks.planning.survey import survey
from seelike.tasks.recording.record import record_shard
from seelike.tasks.recording.sign_recording import sign_recording
from seelike.tasks.runtime.cancellation import stopping_on_interrupt
from seelike.tasks.runtime.dask_cluster import dashboard, workers
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.step_results import SignaturesResult

# Steps that wait for a Dask worker. On one machine networks take turns, whatever is submitted.
MOST_AT_ONCE = 32


def run_name() -> str:
    """Name a flow run by its flow and its study."""
    study = flow_run.parameters["study"]
    name = study["name"] if isinstance(study, dict) else getattr(study, "name", study)
    return f"{flow_run.flow_name}-{name}"


@dataclass(frozen=True)
class StudyRun(OpenedStudy):
    """An opened study while a flow runs it; a model that fails leaves the others.

    ``dask`` is the address of the Dask scheduler, None where steps run in threads.
    """

    failures: ModelFailures
    dask: str | None

    def survey(self, models: Sequence[StudyModel] | None = None) -> list[ModelPlan]:
        """Survey networks, each a task of its own, before anything is written.

        Args:
            models: The networks; if left out, those of the study and their untrained baselines.

        Returns:
            The plans of the models that did not fail. A baseline is left out with its model.
        """
        asked = self.study.networks() if models is None else models
        surveys = {model.name: survey.submit(model, **self.survey_settings) for model in asked}
        done = self.failures.wait({name: future.result for name, future in surveys.items()})
        return self.failures.remaining(done.values())

    def log_start(self, plans: Sequence[ModelPlan]) -> None:
        """Log models, images and store, and the address of Dask's dashboard."""
        names = ", ".join(plan.name for plan in plans)
        run_log().info(
            f"{flow_run.flow_name} of study {self.study.name}: {names} on {len(self.images)} "
            f"images; store {self.store.url}"
        )
        if self.dask is not None:
            address = dashboard(self.dask)
            run_log().info(f"Dask {self.dask}, dashboard {address}")
            print(f"Dask dashboard: {address}", file=sys.stderr)

    def check_space(self, plans: Sequence[ModelPlan]) -> None:
        """Raise ``StorageError`` where what is to be recorded does not fit into the store."""
        keep, projection = self.study.keep, self.study.sketch
        check_space(plans, store=self.store, keep=keep, projection=projection)

    def start(self) -> None:
        """Check the device of this machine, then make the store, the first write of a run."""
        if self.dask is None:
            device(self.study.compute.device)
        make_store(self.store.url)

    def record(self, plan: ModelPlan) -> list[PrefectFuture[int]]:
        """Submit the recording of every shard of one model."""
        study = self.study
        return [
            record_shard.submit(
                plan,
                self.quoted_images,
                store=self.store.url,
                keep=study.keep,
                number=number,
                shard=shard,
                device=study.compute.device,
                forward_batch=study.forward_batch,
                projection=study.sketch,
                dask=self.dask,
            )
            for number, shard in enumerate(shards(plan.bounds, images=study.compute.shard))
        ]

    def sign(self, plans: Sequence[ModelPlan]) -> list[SignaturesResult]:
        """Record and sign every model; each is signed while the next ones are recorded."""
        recordings = {plan.name: self.record(plan) for plan in plans}
        return self.failures.gather(plans, partial(self._submit_signing, recordings))

    def _submit_signing(
        self, recordings: Mapping[str, list[PrefectFuture[int]]], plan: ModelPlan
    ) -> PrefectFuture[SignaturesResult]:
        return sign_recording.submit(
            plan,
            self.quoted_images,
            store=self.store.url,
            keep=self.study.keep,
            # Waited for here, so that the model fails with the exception of its recording.
            recorded=[future.result() for future in recordings[plan.name]],
            dask=self.dask,
        )

    def provenance(self, plans: Sequence[ModelPlan]) -> dict[str, Any]:
        """Images, models and settings behind a comparison, as JSON."""
        taps = self.study.taps
        return {
            "images": self.images.describe(),
            "models": {plan.name: plan.facts for plan in plans},
            "taps": [taps] if isinstance(taps, str) else taps,
            "reduction": self.study.reduction,
            "batch": self.study.batch,
        }

    @property
    def quoted_images(self) -> ImageSet:
        """The images, quoted: Prefect would otherwise look through each of them for futures."""
        return cast(ImageSet, quote(self.images))


@contextmanager
def running(opened: OpenedStudy) -> Iterator[StudyRun]:
    """Run a study for as long as the block lasts.

    Dask workers are connected, or started and ended; an interrupt ends steps after their batch.
    """
    with stopping_on_interrupt(), workers(opened.study.compute.dask) as dask:
        yield StudyRun(opened.study, opened.store, opened.images, ModelFailures(), dask)
