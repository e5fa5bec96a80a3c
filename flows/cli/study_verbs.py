"""Verbs that take a study file and compute: one function each."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from seelike.flows.cli.options import Settings, SkipBadImages, SkipDegenerate, StudyFile, Sweep

if TYPE_CHECKING:
    from seelike.flows.study.study import Study

verbs = typer.Typer()
NOTHING = "everything is already in the store"

# torch and Prefect take seconds to import: each verb imports its flow after it read the study.


def read(
    study: Path,
    settings: Sequence[str] | None,
    *,
    skip_bad_images: bool = False,
    skip_degenerate: bool = False,
    sweep: bool = False,
) -> "Study":
    """Read a study file, and apply ``--set`` and the flags to it."""
    from seelike.flows.study.reading import read_study

    flags = {"skip_bad_images": skip_bad_images, "skip_degenerate": skip_degenerate, "sweep": sweep}
    flagged = [f"{name}=true" for name, given in flags.items() if given]
    return read_study(study, settings=[*(settings or ()), *flagged])


@verbs.command("compare")
def compare_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
    sweep: Sweep = False,
) -> None:
    """Record, compare all pairs of layers, write the report."""
    asked = read(
        study,
        settings,
        skip_bad_images=skip_bad_images,
        skip_degenerate=skip_degenerate,
        sweep=sweep,
    )
    from seelike.flows.compare import compare

    result = compare(asked)
    done = f"recorded {result.recorded} batches"
    print(done if result.recorded else f"nothing to record: {NOTHING}")
    print(f"comparison {result.url}")
    if result.report is not None:
        print(result.report)


@verbs.command("anatomy")
def anatomy_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Look inside: attention, receptive fields, skip connections."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    from seelike.flows.anatomy import anatomy

    result = anatomy(asked)
    done = f"computed {result.computed} analyses"
    print(done if result.computed else f"nothing to compute: {NOTHING}")
    for one in result.found:
        if one.missing_part and not one.plan.subject.baseline_of:
            print(f"left out: {one.missing_part}")
    print(result.report)


@verbs.command("reproduce")
def reproduce_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Run the paper's experiments, with a verdict on each claim."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    from seelike.flows.reproduce import reproduce

    print(reproduce(asked).report)


@verbs.command("probe")
def probe_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Train linear probes on every layer: accuracy against depth."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    from seelike.flows.probe import probe

    result = probe(asked)
    print(f"probed {result.computed} of {len(result.found)} models")
    print(result.report)


@verbs.command("map")
def map_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Compare whole models, and map all their layers."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    from seelike.flows.map import map_study

    result = map_study(asked)
    print("computed the map" if result.computed else f"nothing to compute: {NOTHING}")
    print(f"map {result.url}")
    print(result.report)


@verbs.command("train")
def train_verb(study: StudyFile, settings: Settings = None) -> None:
    """Train the reference zoo on Fashion-MNIST."""
    asked = read(study, settings)
    from seelike.flows.train import train

    result = train(asked)
    print(*result.checkpoints, result.report, sep="\n")


@verbs.command("sketch")
def sketch_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Record and sketch every layer, for `nearest` over large stores."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    from seelike.flows.sketch import sketch

    made = sketch(asked)
    print(f"sketched {len(made)} models, {sum(one.recorded for one in made)} batches recorded")
