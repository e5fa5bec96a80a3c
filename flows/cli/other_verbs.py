"""Verbs of planning, reports and the Prefect server: one function each."""

from pathlib import Path
from typing import Annotated

import typer

from seelike.flows.cli.options import Settings, SkipBadImages, SkipDegenerate, StudyFile
from seelike.flows.cli.study_verbs import read

verbs = typer.Typer()


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
