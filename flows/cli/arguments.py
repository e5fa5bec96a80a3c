"""What the command line `seelike` takes: its verbs, and the options of each."""

import argparse
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="seelike",
        description="What do vision networks compute inside, and how alike are they?",
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text in (
        ("compare", "record, compare all pairs of layers, write the report"),
        ("anatomy", "look inside: attention, receptive fields, skip connections"),
        ("reproduce", "every experiment of the paper, a verdict on each claim"),
        ("probe", "linear probes on what every layer holds: accuracy against depth"),
        ("map", "how alike whole models are, what explains it, and a map of all layers"),
        ("train", "train the reference zoo on Fashion-MNIST"),
        ("sketch", "record and sketch every layer, for `nearest` over large stores"),
        ("export", "give signatures and sketches to another group, without images or weights"),
        ("import", "take in what another group exported, on the same images"),
        ("plan", "say what `compare` would record: taps, bytes, passes"),
        ("report", "draw the report of a finished comparison again"),
        ("deploy", "let a Prefect server run `compare`, on demand or on a schedule"),
    ):
        _study_verb(verbs, name, text)
    layers = verbs.add_parser("layers", help="list the taps of a model")
    layers.add_argument("model", metavar="MODEL", help="a timm name, or zoo:NAME")
    layers.add_argument(
        "--taps", nargs="+", default=["blocks"], help="blocks, paper, or patterns (default: blocks)"
    )
    layers.add_argument("--reduction", default="flatten", help="flatten, cls, mean or tokens")
    _nearest_verb(verbs)
    _store_verb(verbs)
    _serve_verb(verbs)
    return top


def _study_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
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
    if name in ("export", "import"):
        verb.add_argument("archive", type=Path, metavar="FILE.zip")
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


def _nearest_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "the layers of a store that are most like one layer, by CKA on the same images"
    verb = verbs.add_parser("nearest", help=text, description=text)
    verb.add_argument("layer", metavar="MODEL:TAP", help="such as vit:blocks.3")
    verb.add_argument("-k", type=int, default=10, metavar="N", help="how many (default: 10)")
    verb.add_argument("--store", default="store", help="where to look (default: store)")
    verb.add_argument(
        "--other-models", action="store_true", help="leave out the layers of the model itself"
    )
    verb.add_argument(
        "--sketches",
        action="store_true",
        help="by sketches, with error bars; made of signatures where they are not there yet",
    )
    verb.add_argument(
        "--index", action="store_true", help="by sketches that an index finds (needs FAISS)"
    )
    verb.add_argument("--dimension", type=int, default=2048, help="of sketches (default: 2048)")
    verb.add_argument("--seed", type=int, default=0, help="of sketches (default: 0)")
    verb.add_argument("--csv", type=Path, metavar="FILE", help="write the table as CSV as well")


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
