"""The task that writes the report of a training."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from seelike.storage.networks import zoo as shelf
from seelike.storage.reports.page import Page
from seelike.tasks.reports.elements.keeping import keep_or_draw
from seelike.tasks.reports.elements.page import NO_FAILURES
from seelike.tasks.results import TrainingResult
from seelike.tasks.runtime.retries import RETRIES


@task(task_run_name="report {folder}", cache_policy=NO_CACHE, **RETRIES)
def write_training(
    names: Sequence[str],
    *,
    output: Path,
    folder: str,
    study: str,
    missing: Mapping[str, str] = NO_FAILURES,
) -> TrainingResult:
    """Draw the report of a training and write it, unless the same report is there.

    Args:
        names: Trained networks.
        output: Folder of their checkpoints and cards.
        folder: Where the report goes.
        study: Name of the study.
        missing: Networks of the study that failed, and why.
    """
    cards = [shelf.card(name, output) for name in names]
    index = keep_or_draw(
        folder,
        partial(_draw, cards, missing),
        of={"cards": cards, "missing": dict(missing)},
        study=f"{study} training",
    )
    return TrainingResult(tuple(output / f"{name}.safetensors" for name in names), index)


def _draw(cards: Sequence[dict[str, Any]], missing: Mapping[str, str]) -> Page:
    # Drawing loads matplotlib and Bokeh: a report that is kept needs neither.
    from seelike.tasks.reports.training.page import build_page

    return build_page(cards, missing=missing)
