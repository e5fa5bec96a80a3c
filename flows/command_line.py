"""The command line `seelike`: exit 0 when done, 2 for the user's mistake, 1 for a fault."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import MISTAKES, Incomplete

if TYPE_CHECKING:
    from flows.study import Study

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
        parsed.run(parsed)
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


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="seelike",
        description="What do vision networks compute inside, and how alike are they?",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, run, text in (
        ("compare", _compare, "record, compare all pairs of layers, write the report"),
        ("anatomy", _anatomy, "look inside: attention, receptive fields, skip connections"),
        ("reproduce", _reproduce, "every experiment of the paper, a verdict on each claim"),
        ("probe", _probe, "linear probes on what every layer holds: accuracy against depth"),
        ("train", _train, "train the reference zoo on Fashion-MNIST"),
        ("plan", _plan, "say what `compare` would record: taps, bytes, passes"),
        ("report", _report, "draw the report of a finished comparison again"),
        ("deploy", _deploy, "let a Prefect server run `compare`, on demand or on a schedule"),
    ):
        _study_verb(verbs, name, run, text)
    layers = verbs.add_parser("layers", help="list the taps of a model")
    layers.add_argument("model", metavar="MODEL", help="a timm name, or zoo:NAME")
    layers.add_argument(
        "--taps", nargs="+", default=["blocks"], help="blocks, paper, or patterns (default: blocks)"
    )
    layers.add_argument("--reduction", default="flatten", help="flatten, cls, mean or tokens")
    layers.set_defaults(run=_layers)
    _store_verb(verbs)
    _serve_verb(verbs)
    return top


def _study_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], None],
    text: str,
) -> None:
    verb = verbs.add_parser(name, help=text, description=text)
    verb.add_argument("study", type=Path, metavar="STUDY.yaml")
    verb.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one key of the study, such as images.count=512",
    )
    if name != "train":
        verb.add_argument(
            "--skip-bad-images",
            action="store_true",
            help="leave images that cannot be read out, for every model, and say so",
        )
        verb.add_argument(
            "--skip-degenerate",
            action="store_true",
            help="leave taps out that are constant over the images, and list them",
        )
    if name == "compare":
        verb.add_argument(
            "--sweep",
            action="store_true",
            help="show how CKA depends on the number of images and the batch, beside exact CKA",
        )
    if name == "report":
        verb.add_argument(
            "--trace",
            metavar="FIGURE",
            help="print what a figure was drawn from, back to models and images, and draw nothing",
        )
    if name == "deploy":
        verb.add_argument("--cron", metavar="LINE", help="when to run, in UTC, such as '0 2 * * *'")
        verb.add_argument("--pool", default="local", help="work pool (default: local)")
        verb.add_argument("--queue", help="work queue of the pool (default: the pool's own)")
    verb.set_defaults(run=run)


def _store_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    store = verbs.add_parser("store", help="look after a store: ls, verify, rm")
    actions = store.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("ls", help="what the store holds, and how large it is")
    verify = actions.add_parser("verify", help="check every checksum")
    verify.add_argument(
        "--mend", action="store_true", help="mark damaged batches as missing: they are redone"
    )
    remove = actions.add_parser("rm", help="remove one thing, or all recordings")
    remove.add_argument(
        "--what", required=True, metavar="DIGEST|recordings", help="as `seelike store ls` names it"
    )
    for action in (listing, verify, remove):
        action.add_argument("store", metavar="STORE")
    store.set_defaults(run=_store)


def _serve_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "start Prefect's server and a worker here, with all deployments; Ctrl-C ends them"
    serve = verbs.add_parser("serve", help=text, description=text)
    serve.add_argument("--port", type=int, default=4200, help="of the server (default: 4200)")
    serve.add_argument(
        "--deployments",
        type=Path,
        default=Path("deployment.yaml"),
        metavar="FILE",
        help="what to deploy (default: deployment.yaml)",
    )
    serve.set_defaults(run=_serve)


def _study(parsed: argparse.Namespace) -> "Study":
    from flows.reading import read_study

    flags = ("skip_bad_images", "skip_degenerate", "sweep")
    flagged = [f"{flag}=true" for flag in flags if getattr(parsed, flag, False)]
    return read_study(parsed.study, settings=[*parsed.set, *flagged])


# torch and Prefect take seconds to import: only the verbs that use them pay for it.


def _compare(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from flows.compare import compare

    result = compare(study)
    print(
        f"recorded {result.recorded} batches" if result.recorded else "recorded nothing: all there"
    )
    print(f"comparison {result.url}")
    if result.report is not None:
        print(result.report)


def _anatomy(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from flows.anatomy import anatomy

    result = anatomy(study)
    print(
        f"computed {result.computed} analyses" if result.computed else "computed nothing: all there"
    )
    for one in result.found:
        if one.lacks and not one.plan.subject.baseline_of:
            print(f"left out: {one.lacks}")
    print(result.report)


def _reproduce(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from flows.reproduce import reproduce

    print(reproduce(study).report)


def _probe(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from flows.probe import probe

    result = probe(study)
    print(f"probed {result.computed} of {len(result.found)} models")
    print(result.report)


def _train(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from flows.train import train

    result = train(study)
    print(*result.checkpoints, result.report, sep="\n")


def _plan(parsed: argparse.Namespace) -> None:
    from flows.plan import plan

    print(plan(_study(parsed)))


def _report(parsed: argparse.Namespace) -> None:
    if parsed.trace is not None:
        from flows.trace import trace

        print(trace(_study(parsed).report_folder, parsed.trace))
        return
    from flows.compare import redraw

    print(redraw(_study(parsed)).report)


def _deploy(parsed: argparse.Namespace) -> None:
    study = _study(parsed)
    from flows.deploy import deploy

    print(deploy(study, cron=parsed.cron, pool=parsed.pool, queue=parsed.queue))


def _layers(parsed: argparse.Namespace) -> None:
    from flows.plan import layers

    print(layers(parsed.model, parsed.taps, reduction=parsed.reduction))


def _serve(parsed: argparse.Namespace) -> None:
    from flows.serve import serve

    serve(port=parsed.port, deployments=parsed.deployments)


def _store(parsed: argparse.Namespace) -> None:
    from flows import store

    if parsed.action == "ls":
        print(store.listing(parsed.store))
    elif parsed.action == "verify":
        print(store.verified(parsed.store, mend=parsed.mend))
    else:
        print(store.removed(parsed.store, parsed.what))


if __name__ == "__main__":
    logging.captureWarnings(True)
    sys.exit(main())
