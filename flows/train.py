"""The flow that trains the reference zoo."""

from pathlib import Path

from prefect import flow, unmapped
from prefect.task_runners import ThreadPoolTaskRunner

from analysis.networks.training import Recipe
from analysis.networks.zoo import FAMILIES
from flows.errors import StudyError
from flows.model import Model
from flows.steps import run_name
from flows.study import Study
from storage.store import make_store
from tasks.training import Lesson, fashion_mnist_folder, train_network


# One network at a time: each uses every core, or the one GPU.
@flow(
    name="train",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
)
def train(study: Study) -> list[Path]:
    """Train every network of ``study`` on Fashion-MNIST with one recipe; the checkpoints' paths.

    A training that was cut off goes on after its last whole epoch; a finished one is left.
    """
    for model in study.models:
        if model.zoo not in FAMILIES:
            raise StudyError(
                f"model {model.name!r} cannot be trained: zoo is {model.zoo!r}, "
                f"expected one of {', '.join(FAMILIES)}"
            )
    training = study.training
    if any(model.training.data == "fashion-mnist" for model in study.models):
        fashion_mnist_folder(Path(training.downloads))
    make_store(study.store)
    checkpoints = train_network.map(
        name=[model.name for model in study.models],
        lesson=[_lesson(model, training.recipe) for model in study.models],
        downloads=unmapped(Path(training.downloads)),
        store=study.store,
        output=unmapped(Path(training.output)),
        device=study.compute.device,
    )
    return checkpoints.result()


def _lesson(model: Model, recipe: Recipe) -> Lesson:
    """What ``model`` is to learn, by the study's recipe or one of its own."""
    own = model.training
    return Lesson(
        family=str(model.zoo),
        seed=model.seed or 0,
        recipe=own.recipe or recipe,
        data=own.data,
        fraction=own.fraction,
        start=own.start,
    )
