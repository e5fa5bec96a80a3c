"""The command line `seelike`: exit 0 when done, 2 for the user's mistake, 1 for a fault."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seelike.flows.cli.arguments import parser
from seelike.flows.errors import MISTAKES, Incomplete

if TYPE_CHECKING:
    from seelike.flows.study.study import Study

# The terminal shows progress bars and one line for a mistake; Prefect's own log, tracebacks
# included, still goes to its server and the page there.
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FLOW_RUNS_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "DASK_LOGGING__DISTRIBUTED": "error",
    "HF_HUB_VERBOSITY": "error",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    parsed = parser().parse_args(arguments)
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        VERBS[parsed.verb](parsed)
    except MISTAKES as error:
        print(f"seelike: {error}", file=sys.stderr)
        return 2
    except Incomplete as error:
        print(f"seelike: {error}", file=sys.stderr)
        return 2 if error.mistakes else 1
    except KeyboardInterrupt:
        print("seelike: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"seelike: {error}", file=sys.stderr)
        return 1
    return 0


def _study(parsed: argparse.Namespace) -> "Study":
    from seelike.flows.study.reading import read_study

    flags = ("skip_bad_images", "skip_degenerate", "sweep")
    flagged = [f"{flag}=true" for flag in flags if getattr(parsed, flag, False)]
    return read_study(parsed.study, settings=[*parsed.set, *flagged])


# torch and Prefect take seconds to import: only the verbs that use them pay for it.


def _compare(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.compare import compare

    result = compare(study)
    print(
        f"recorded {result.recorded} batches" if result.recorded else "recorded nothing: all there"
    )
    print(f"comparison {result.url}")
    if result.report is not None:
        print(result.report)


def _anatomy(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.anatomy import anatomy

    result = anatomy(study)
    print(
        f"computed {result.computed} analyses" if result.computed else "computed nothing: all there"
    )
    for one in result.found:
        if one.missing_part and not one.plan.subject.baseline_of:
            print(f"left out: {one.missing_part}")
    print(result.report)


def _reproduce(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.reproduce import reproduce

    print(reproduce(study).report)


def _probe(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.probe import probe

    result = probe(study)
    print(f"probed {result.computed} of {len(result.found)} models")
    print(result.report)


def _map(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.map import map_study

    result = map_study(study)
    print("computed the map" if result.computed else "computed nothing: all there")
    print(f"map {result.url}")
    print(result.report)


def _sketch(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.sketch import sketch

    made = sketch(study)
    print(f"sketched {len(made)} models, {sum(one.recorded for one in made)} batches recorded")


def _export(parsed: argparse.Namespace) -> None:
    from seelike.flows.commands.exchange import export

    print(export(_study(parsed), parsed.archive))


def _import(parsed: argparse.Namespace) -> None:
    from seelike.flows.commands.exchange import receive

    print(receive(_study(parsed), parsed.archive))


def _nearest(parsed: argparse.Namespace) -> None:
    from seelike.flows.commands.nearest import lines, nearest, told

    found = nearest(
        parsed.layer,
        store=parsed.store,
        count=parsed.k,
        way="index" if parsed.index else "sketches" if parsed.sketches else "signatures",
        dimension=parsed.dimension,
        seed=parsed.seed,
        other_models=parsed.other_models,
    )
    if parsed.csv is not None:
        parsed.csv.write_text(lines(found))
    print(told(found))


def _train(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.train import train

    result = train(study)
    print(*result.checkpoints, result.report, sep="\n")


def _plan(parsed: argparse.Namespace) -> None:
    from seelike.flows.commands.plan import plan

    print(plan(_study(parsed)))


def _report(parsed: argparse.Namespace) -> None:
    if parsed.trace is not None:
        from seelike.flows.commands.trace import trace

        print(trace(_study(parsed).report_folder, parsed.trace))
        return
    from seelike.flows.compare import redraw

    print(redraw(_study(parsed)).report)


def _deploy(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from seelike.flows.server.deploy import deploy

    print(deploy(study, cron=parsed.cron, pool=parsed.pool, queue=parsed.queue))


def _layers(parsed: argparse.Namespace) -> None:
    from seelike.flows.commands.plan import layers

    print(layers(parsed.model, parsed.taps, reduction=parsed.reduction))


def _serve(parsed: argparse.Namespace) -> None:
    from seelike.flows.server.serve import serve

    serve(port=parsed.port, deployments=parsed.deployments)


def _store(parsed: argparse.Namespace) -> None:
    from seelike.flows.commands import store

    if parsed.action == "ls":
        print(store.listing(parsed.store))
    elif parsed.action == "verify":
        print(store.verified(parsed.store, mend=parsed.mend))
    else:
        print(store.removed(parsed.store, parsed.what))


VERBS: dict[str, Callable[[argparse.Namespace], None]] = {
    "compare": _compare,
    "anatomy": _anatomy,
    "reproduce": _reproduce,
    "probe": _probe,
    "map": _map,
    "sketch": _sketch,
    "train": _train,
    "plan": _plan,
    "report": _report,
    "deploy": _deploy,
    "layers": _layers,
    "nearest": _nearest,
    "export": _export,
    "import": _import,
    "serve": _serve,
    "store": _store,
}


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main())
