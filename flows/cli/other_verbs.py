"""Verbs that compute nothing, or look at a store or a model: one function each."""

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
store = typer.Typer(help="List, check and tidy up a store: ls, verify, rm.")


@verbs.command("export")
def export_verb(
    study: StudyFile,
    archive: Archive,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Write signatures and sketches into a file for others."""
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
    """Take in what another group exported, on the same images."""
    from seelike.flows.commands.exchange import receive

    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    print(receive(asked, archive))


@verbs.command("plan")
def plan_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
) -> None:
    """Show what `compare` would record: layers, bytes, passes, time."""
    from seelike.flows.commands.plan import plan

    print(
        plan(
            read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
        )
    )


@verbs.command("report")
def report_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
    trace: Annotated[
        str | None,
        typer.Option(
            "--trace",
            metavar="FIGURE",
            show_default=False,
            help="print what a figure was drawn from, back to models and images; draw nothing",
        ),
    ] = None,
) -> None:
    """Draw the report of a finished comparison again."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    if trace is not None:
        from seelike.flows.commands import trace as tracing

        print(tracing.trace(asked.report_folder, trace))
        return
    from seelike.flows.compare import redraw

    print(redraw(asked).report)


@verbs.command("deploy")
def deploy_verb(
    study: StudyFile,
    settings: Settings = None,
    skip_bad_images: SkipBadImages = False,
    skip_degenerate: SkipDegenerate = False,
    cron: Annotated[
        str | None,
        typer.Option(
            "--cron",
            metavar="LINE",
            show_default=False,
            help="when to run, in UTC, such as '0 2 * * *'",
        ),
    ] = None,
    pool: Annotated[str, typer.Option("--pool", metavar="NAME", help="work pool")] = "local",
    queue: Annotated[
        str | None,
        typer.Option(
            "--queue",
            metavar="NAME",
            show_default=False,
            help="work queue of the pool (default: the pool's own)",
        ),
    ] = None,
) -> None:
    """Let a Prefect server run `compare`, on demand or on a schedule."""
    asked = read(study, settings, skip_bad_images=skip_bad_images, skip_degenerate=skip_degenerate)
    from seelike.flows.server.deploy import deploy

    print(deploy(asked, cron=cron, pool=pool, queue=queue))


@verbs.command("layers")
def layers_verb(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", show_default=False, help="a timm name, or zoo:NAME"),
    ],
    further: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATTERN", show_default=False, help="further patterns"),
    ] = None,
    taps: Annotated[
        list[str] | None,
        typer.Option(
            "--taps",
            metavar="PATTERN",
            show_default=False,
            help="blocks, paper, or patterns (default: blocks)",
        ),
    ] = None,
    reduction: Annotated[
        str, typer.Option("--reduction", metavar="KIND", help="flatten, cls, mean or tokens")
    ] = "flatten",
) -> None:
    """List the layers of a model, with their shapes and depths."""
    from seelike.flows.commands.plan import layers

    print(layers(model, [*(taps or ()), *(further or ())] or ["blocks"], reduction=reduction))


@verbs.command("nearest")
def nearest_verb(
    layer: Annotated[
        str, typer.Argument(metavar="MODEL:TAP", show_default=False, help="such as vit:blocks.3")
    ],
    count: Annotated[int, typer.Option("-k", metavar="N", help="how many")] = 10,
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


@verbs.command("serve")
def serve_verb(
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="port of the Prefect server")
    ] = 4200,
    deployments: Annotated[
        Path | None,
        typer.Option(
            "--deployments",
            metavar="FILE",
            show_default=False,
            help="deployments to serve (default: deployment.yaml of this folder, else seelike's)",
        ),
    ] = None,
) -> None:
    """Start a Prefect server with all deployments and a worker."""
    from seelike.flows.server.serve import serve

    serve(port=port, deployments=deployments)
