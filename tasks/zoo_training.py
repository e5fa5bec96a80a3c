"""Training of one network of the reference zoo, resumed after an interruption."""

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prefect import task
from prefect.cache_policies import NO_CACHE
from torch import Tensor, nn

from seelike.analysis.networks import devices, training
from seelike.analysis.networks.loading import zoo
from seelike.analysis.networks.loading.models import ModelSpec, load
from seelike.analysis.networks.training import Recipe
from seelike.storage.datasets import fashion_mnist, training_sets
from seelike.storage.datasets.training_sets import TrainingSet
from seelike.storage.digest import content_digest
from seelike.storage.errors import StorageError
from seelike.storage.networks import training_states
from seelike.storage.networks import zoo as shelf
from seelike.storage.store import open_store
from seelike.tasks.runtime.progress import progress
from seelike.tasks.runtime.run_log import run_log
from seelike.tasks.runtime.versions import versions


def fashion_mnist_folder(downloads: Path) -> Path:
    """Return the folder with Fashion-MNIST's files; torchvision downloads them if there are none.

    Raises ``StorageError`` where that fails.
    """
    found = fashion_mnist.find_folder(downloads)
    if found is not None:
        return found
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(downloads), train=True, download=True)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"Fashion-MNIST is neither in {fashion_mnist.DEBIAN} (Debian's package "
            f"dataset-fashion-mnist) nor in {downloads}, and torchvision could not fetch it: "
            f"{error}; install the package, or name its folder in ${fashion_mnist.ENVIRONMENT}"
        ) from error
    return downloads / "FashionMNIST" / "raw"


@dataclass(frozen=True)
class Lesson:
    """Everything that determines a trained network.

    Attributes:
        family: Its architecture, one of the zoo's families.
        seed: The seed.
        recipe: The training recipe.
        data: The data set.
        fraction: The share of its training images, 0 to 1.
        start: The network whose weights it starts from, in its own folder or in the zoo.
    """

    family: str
    seed: int
    recipe: Recipe
    data: str = "fashion-mnist"
    fraction: float = 1.0
    start: str | None = None


@task(task_run_name="train {name}", cache_policy=NO_CACHE, persist_result=False)
def train_network(
    name: str, lesson: Lesson, *, downloads: Path, store: str, output: Path, device: str
) -> Path:
    """Train one network, continuing after its last whole epoch, unless it is there.

    Args:
        name: The network's name.
        lesson: Everything that determines it.
        downloads: The folder that data sets are downloaded to.
        store: The URL of the store, which keeps the state of a training.
        output: The folder of checkpoints and cards.
        device: The device.

    Returns:
        The path of the checkpoint, with its card beside it.
    """
    place = devices.device(device)
    data = training_set(lesson.data, downloads)
    identity = _identity(lesson, data, output)
    kept = training_states.name(identity)
    if shelf.holds(output, name, training=kept):
        return output / f"{name}.safetensors"

    tensors = {
        "train": _tensors(*data.part(lesson.fraction), device=place),
        "test": _tensors(*data.test, device=place),
    }
    network = training.in_fast_layout(_initial_network(lesson, output)).to(place)
    with open_store(store).lock(kept):
        curve = _train(
            network,
            tensors,
            lesson,
            images_per_epoch=len(data.train[1]),
            store=store,
            kept=kept,
            name=name,
        )
    state = training.half(network.state_dict())
    network.load_state_dict(state)
    right = training.correct(network, *tensors["test"])
    used = len(tensors["train"][1])
    card = {
        "name": name,
        **identity,
        "images": f"{data.name}, {used:_} training images".replace("_", " "),
        "classes": list(data.classes),
        "test": {
            "correct": right,
            "total": len(data.test[1]),
            "accuracy": right / len(data.test[1]),
        },
        "curve": curve,
        "steps": lesson.recipe.epochs * math.ceil(len(data.train[1]) / lesson.recipe.batch),
        "parameters": sum(p.numel() for p in network.parameters()),
        "training": kept,
        "versions": versions(),
    }
    return shelf.write(
        output, name, tensors={k: v.cpu().numpy() for k, v in state.items()}, card=card
    )


def training_set(name: str, downloads: Path) -> TrainingSet:
    """Open a data set by its name in a study; ``downloads`` is the folder for downloads."""
    if name in training_sets.SHIPPED:
        return training_sets.SHIPPED[name]()
    return training_sets.fashion(fashion_mnist_folder(downloads))


def _identity(lesson: Lesson, data: TrainingSet, output: Path) -> dict[str, Any]:
    """Everything that the weights depend on; fraction and start only where they are set."""
    identity = {
        "family": lesson.family,
        "arguments": zoo.FAMILIES[lesson.family].arguments,
        "recipe": asdict(lesson.recipe),
        "seed": lesson.seed,
        "data": content_digest(a.tobytes() for pair in (data.train, data.test) for a in pair),
    }
    if lesson.fraction != 1:
        identity["fraction"] = lesson.fraction
    if lesson.start is not None:
        digest = shelf.card(lesson.start, _folder_of(lesson.start, output))["digest"]
        identity["start"] = {"name": lesson.start, "digest": digest}
    return identity


def _folder_of(name: str, output: Path) -> Path:
    """The folder of a network: the study's own, or the zoo's."""
    return output if name in shelf.members(output) else shelf.SHIPPED


def _initial_network(lesson: Lesson, output: Path) -> nn.Module:
    """Build the network with the weights it starts from."""
    if lesson.start is None:
        return zoo.build(lesson.family, seed=lesson.seed)
    weights = shelf.weights(lesson.start, _folder_of(lesson.start, output))
    spec = ModelSpec(lesson.start, zoo=lesson.family, seed=lesson.seed)
    # Loaded networks have their weights frozen.
    return load(spec, weights=weights).module.requires_grad_(True)


def _train(
    network: nn.Module,
    tensors: dict[str, tuple[Tensor, Tensor]],
    lesson: Lesson,
    *,
    images_per_epoch: int,
    store: str,
    kept: str,
    name: str,
) -> list[dict[str, float]]:
    """Train the epochs that are left, keeping the state after each; return the whole curve."""
    opened, recipe = open_store(store), lesson.recipe
    previous = training_states.read(opened, kept)
    state, curve = (None, []) if previous is None else previous
    start = time.perf_counter()
    steps_per_epoch = math.ceil(images_per_epoch / recipe.batch)
    with progress(
        f"train {name}",
        total=recipe.epochs * steps_per_epoch,
        unit="steps",
        done=len(curve) * steps_per_epoch,
    ) as shown:
        for epoch in training.epochs(
            network,
            *tensors["train"],
            recipe=recipe,
            seed=lesson.seed,
            images_per_epoch=images_per_epoch,
            state=None if state is None else {k: torch.from_numpy(v) for k, v in state.items()},
            on_step=lambda *_: shown.advance(1),
        ):
            right = training.correct(network, *tensors["test"])
            accuracy = right / len(tensors["test"][1])
            seconds = round(time.perf_counter() - start, 1)
            start = time.perf_counter()
            curve.append({"loss": epoch.loss, "test_accuracy": accuracy, "seconds": seconds})
            arrays = {k: v.cpu().numpy() for k, v in epoch.state.items()}
            training_states.write(opened, kept, state=arrays, curve=curve)
            words = f"loss {epoch.loss:.3f}, test accuracy {accuracy:.2%}"
            shown.advance(0, note=f"epoch {epoch.number + 1}: {words}")
            run_log().info(
                f"{name}, epoch {epoch.number + 1} of {recipe.epochs}: {words}, {seconds:.0f} s"
            )
    return curve


def _tensors(
    images: np.ndarray, labels: np.ndarray, *, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Normalise images as the zoo's transform does, (n, 1, 28, 28) float32; labels beside."""
    x = (images[:, None].astype(np.float32) / 255 - fashion_mnist.MEAN) / fashion_mnist.STD
    return torch.from_numpy(x).to(device), torch.from_numpy(labels).to(device)
