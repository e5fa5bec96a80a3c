"""The flow that trains the reference zoo."""

from pathlib import Path

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from seelike.analysis.networks.loading.zoo import FAMILIES, architecture
from seelike.analysis.networks.training import Recipe
from seelike.flows.errors import StudyError
from seelike.flows.run.model_failures import ModelFailures
from seelike.flows.run.study_run import run_name
from seelike.flows.study.model import Model
from seelike.flows.study.study import Study
from seelike.storage.errors import suggest
from seelike.storage.networks import zoo
from seelike.storage.reports.write import check_folder
from seelike.storage.store import make_store
from seelike.tasks.reports.training.report import write_training
from seelike.tasks.results import TrainingResult
from seelike.tasks.zoo_training import Lesson, fashion_mnist_folder, train_network


# One network at a time: each uses every core, or the one GPU.
@flow(
    name="train",
    flow_run_name=run_name,
    task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
)
def train(study: Study) -> TrainingResult:
    """Train every network of a study with the zoo's recipe, and write the report.

    A training that was stopped continues after its last whole epoch; a complete one is kept. A
    network that cannot be trained fails alone, with those that start from it.

    Args:
        study: A ``Study``, a dictionary of its keys, or the path of a study file.

    Returns:
        A reference with the trained networks' checkpoints and ``.report``.

    Raises:
        StudyError: The study contradicts itself; the message names the key and the remedy.
        StorageError: The store cannot be used, or what is to be written does not fit.
        Incomplete: Some models failed. The others are complete, in the store and the report.

    Examples:
        >>> import seelike
        >>> result = seelike.train("studies/zoo.yaml")  # doctest: +SKIP
    """
    output = Path(study.training.output)
    check_models(study.models, output)
    folder = training_folder(study)
    check_folder(folder)
    if any(model.training.data == "fashion-mnist" for model in study.models):
        fashion_mnist_folder(Path(study.training.downloads))
    make_store(study.store)
    failures = ModelFailures()
    checkpoints = []
    for model in study.models:
        try:
            checkpoints.append(_trained(model, study, failures))
        except Exception as error:
            failures.fail(model.name, error)
            failures.log_new()
    if not checkpoints:
        raise next(iter(failures.failed.values()))
    written = write_training(
        [path.stem for path in checkpoints],
        output=output,
        folder=folder,
        study=study.name,
        missing=failures.missing,
    )
    failures.raise_if_any(report=str(written.report))
    return written


def training_folder(study: Study) -> str:
    """Folder of the report: below that of `compare`, which stays as it is."""
    return f"{study.report_folder.rstrip('/')}/training"


def check_models(models: list[Model], output: Path) -> None:
    """Check that networks can be trained, before any is.

    Args:
        models: The networks, in the order of training.
        output: Folder for their checkpoints; it may have some of an earlier run.

    Raises:
        StudyError: A network is not a family of the zoo, or cannot start from the weights named.
    """
    for place, model in enumerate(models):
        if model.zoo not in FAMILIES:
            raise StudyError(
                f"model {model.name!r} cannot be trained: zoo is {model.zoo!r}, "
                f"expected one of {', '.join(FAMILIES)}"
            )
        start = model.training.start
        if start is not None:
            family = _family(start, models[:place], models[place:], output, of=model.name)
            if architecture(family) != architecture(model.zoo):
                raise StudyError(
                    f"model {model.name!r} is a {model.zoo} and cannot start from {start!r}, a "
                    f"{family}: weights fit the same architecture only; name another start"
                )


def _family(start: str, before: list[Model], after: list[Model], output: Path, *, of: str) -> str:
    """The family of the network ``start``: trained before, in ``output``, or shipped."""
    families = {model.name: str(model.zoo) for model in before}
    if start in families:
        return families[start]
    if start in [model.name for model in after]:
        raise StudyError(
            f"model {of!r} starts from {start!r}, which the study trains no earlier; put it before"
        )
    for folder in (output, zoo.SHIPPED):
        if start in zoo.members(folder):
            return str(zoo.card(start, folder)["family"])
    known = [*families, *zoo.members(output), *zoo.members()]
    raise StudyError(
        f"model {of!r} starts from {start!r}, which is neither trained before it nor in "
        f"{output} nor in the zoo; {suggest(start, known)}"
    )


def _trained(model: Model, study: Study, failures: ModelFailures) -> Path:
    """Train one network, unless what it starts from has failed."""
    start = model.training.start
    if start in failures.failed:
        raise StudyError(f"it starts from {start!r}, which failed")
    return train_network(
        model.name,
        _lesson(model, study.training.recipe),
        downloads=Path(study.training.downloads),
        store=study.store,
        output=Path(study.training.output),
        device=study.compute.device,
    )


def _lesson(model: Model, recipe: Recipe) -> Lesson:
    """Family, data and recipe of a training: the model's own recipe, or else the study's."""
    own = model.training
    return Lesson(
        family=str(model.zoo),
        seed=model.seed or 0,
        recipe=own.recipe or recipe,
        data=own.data,
        fraction=own.fraction,
        start=own.start,
    )
