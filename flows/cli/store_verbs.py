"""Verbs that read a store, or exchange entries of it: one function each."""

from pathlib import Path
from typing import Annotated

import typer

from seelike.flows.cli.options import (
    Archive,
    Settings,
    SkipBadImages,
    SkipDegenerate,
    StoreUrl,
    StudyFile,
)
from seelike.flows.cli.study_verbs import read

verbs = typer.Typer()
store = typer.Typer(help="List, check and remove entries of a store: ls, verify, rm.")


@verbs.command("export")
def export_verb(
    study: StudyFile,
    archive: Archive,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Export signatures and sketches into a file for another group."""
    from seelike.flows.commands.exchange import export

    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    print(export(asked, archive))


@verbs.command("import")
def import_verb(
    study: StudyFile,
    archive: Archive,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Import what another group exported, on the same images."""
    from seelike.flows.commands.exchange import receive

    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    print(receive(asked, archive))


@verbs.command("nearest")
def nearest_verb(
    layer: Annotated[
        str, typer.Argument(metavar="MODEL:LAYER", show_default=False, help="such as vit:blocks.3")
    ],
    count: Annotated[int, typer.Option("-k", metavar="N", help="number of layers to find")] = 10,
    url: Annotated[str, typer.Option("--store", metavar="STORE", help="the store")] = "store",
    other_models: Annotated[
        bool, typer.Option("--other-models", help="leave out the layers of the model itself")
    ] = False,
    sketches: Annotated[
        bool,
        typer.Option(
            "--sketches", help="by sketches, with error bars; computed from signatures where absent"
        ),
    ] = False,
    index: Annotated[
        bool, typer.Option("--index", help="by sketches in an index (needs FAISS)")
    ] = False,
    dimension: Annotated[
        int, typer.Option("--dimension", metavar="N", help="sketch dimension")
    ] = 2048,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="sketch seed")] = 0,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", metavar="FILE", show_default=False, help="write the table as CSV as well"
        ),
    ] = None,
) -> None:
    """Find the layers of a store most similar to one layer."""
    from seelike.flows.commands import nearest

    found = nearest.nearest(
        layer,
        store=url,
        count=count,
        way="index" if index else "sketches" if sketches else "signatures",
        dimension=dimension,
        seed=seed,
        other_models=other_models,
    )
    if csv is not None:
        csv.write_text(nearest.format_csv(found))
    print(nearest.format_table(found))


@store.command("ls")
def store_ls(url: StoreUrl) -> None:
    """List the entries of a store and their sizes."""
    from seelike.flows.commands.store import listing

    print(listing(url))


@store.command("verify")
def store_verify(
    url: StoreUrl,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="mark damaged batches as missing: the next run redoes them"),
    ] = False,
) -> None:
    """Check every checksum of a store."""
    from seelike.flows.commands.store import verify

    print(verify(url, mend=mend))


@store.command("rm")
def store_rm(
    url: StoreUrl,
    what: Annotated[
        str,
        typer.Option(
            "--what",
            metavar="DIGEST|recordings",
            show_default=False,
            help="as `seelike store ls` names it",
        ),
    ],
) -> None:
    """Remove one entry of a store, or all recordings."""
    from seelike.flows.commands.store import remove

    print(remove(url, what))
