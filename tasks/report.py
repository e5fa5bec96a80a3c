"""The report of a comparison: its figures drawn, its findings worded, its provenance told."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure as Drawing
from prefect import task
from prefect.artifacts import create_link_artifact
from prefect.cache_policies import NO_CACHE

from analysis import figures as draw
from analysis.similarity import Estimate, structure
from analysis.similarity.findings import Finding, Measured, findings, shown
from storage import reports
from storage.digest import slug
from storage.reports import Check, Csv, Figure, Group, Page, Section, Table
from tasks.references import ComparisonReference

CLAIM_NOTE = (
    "A claim agrees where the whole interval of the difference lies on the paper's side of zero, "
    "differs where it lies on the other, and is undecided where it holds zero. Intervals come "
    "from resampling the batches of images: they tell how much the images matter, not how much "
    "another training would."
)


@task(task_run_name="report {folder}", cache_policy=NO_CACHE)
def write_report(comparison: ComparisonReference, *, folder: Path) -> ComparisonReference:
    """Draw and write the report of ``comparison`` into ``folder``; the reference with its path."""
    dataset = comparison.open().load()
    index = reports.write(folder, page(dataset, name=comparison.name))
    return replace(comparison, report=index)


def page(dataset: xr.Dataset, *, name: str) -> Page:
    """The whole report of one comparison, digest ``name``, as a page to be rendered."""
    measured = measured_of(dataset)
    found = findings(measured)
    trained = list(measured.families)
    return Page(
        title=f"How alike are the layers of {_listed(trained)}?",
        lead=_lead(dataset, found),
        sections=tuple(_sections(dataset, measured, found)),
        provenance=tuple(_provenance(dataset, name=name)),
        data=tuple(_data(dataset, trained)),
        warnings=tuple(_warnings(dataset)),
    )


def measured_of(dataset: xr.Dataset) -> Measured:
    """The dataset as findings need it; trained models, or all where none is trained."""
    facts: dict[str, Any] = dataset.attrs["models"]
    twins = {
        str(baseline): str(model)
        for model, baseline in zip(
            dataset["model_a"].values, dataset["baseline_of_a"].values, strict=True
        )
        if baseline
    }
    own = [model for model in facts if model not in twins.values()]
    return Measured(
        parts=dataset["cka_parts"].values.astype(np.float64),
        model=[str(model) for model in dataset["model_a"].values],
        families={model: str(facts[model]["family"]) for model in own},
        twins=twins,
    )
