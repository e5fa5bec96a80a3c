"""Item: what people wait for beside forward passes, as commands in processes of their own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import markdown
from benchmarks.harness.clock import spread
from benchmarks.harness.item import Goal, Item, Result

# torch, timm and Prefect, with the operators that torchvision lacks beside a CPU torch.
IMPORT = "import seelike.analysis.networks.loading.torchvision_ops, torch, timm"
SERVER = (
    f"{IMPORT}; from prefect.server.api.server import SubprocessASGIServer as S; "
    "s = S(); s.start(); s.stop()"
)
FULL: dict[str, Any] = {"images": 256, "many": 12, "many images": 64, "repeats": 3}
TOY: dict[str, Any] = {"images": 128, "many": 2, "many images": 16, "repeats": 1}
# Commands that have nothing to do once they ran: by name, the keys beside those of the study.
AGAIN = ("compare", "anatomy", "probe", "map")
SLACK, SLACK_ALONE = 1.3, 1.5
MANY_SECONDS, MANY_BYTES = 20, 5_000_000


def measure(*, quick: bool, device: str) -> Result:
    """Seconds of every command, the imports that no command can do without beside them."""
    size = TOY if quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = _study(folder, size, device), _many(folder, size, device)
        first = {verb: _seconds(_seelike(verb, few)) for verb in AGAIN}
        first["compare many"] = _seconds(_seelike("compare", many))
        page = (folder / "many" / "report" / "index.html").stat().st_size
        drawn = _redrawn(many, folder / "many" / "report")
        repeated = _repeated(few, size["repeats"])
    return {**size, "first": first, "many page": page, "many drawn": drawn, "again": repeated}


def _repeated(study: Path, repeats: int) -> dict[str, Any]:
    """Commands with nothing to do, and bare imports, in rounds so that drifts affect all."""
    commands = {
        "imports": [sys.executable, "-c", IMPORT],
        "imports and server": [sys.executable, "-c", SERVER],
        "layers": _seelike("layers", "vit_tiny_patch16_224"),
        "plan": _seelike("plan", study),
        "-h": _seelike("-h"),
        **{verb: _seelike(verb, study) for verb in AGAIN},
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            found[name].append(_seconds(command))
    return {name: spread(values) for name, values in found.items()}


def _redrawn(study: Path, report: Path) -> float:
    """Seconds that the report of ``study`` takes beyond a run that keeps it."""
    kept = _seconds(_seelike("compare", study))
    (report / "index.html").write_bytes(b"")
    return _seconds(_seelike("compare", study)) - kept


def _study(folder: Path, size: dict[str, Any], device: str) -> Path:
    names = {"ViT": "vit", "ResNet": "resnet", "Mixer": "mixer"}
    models = [{"name": name, "zoo": zoo} for name, zoo in names.items()]
    return _written(folder / "few", models, size["images"], device)


def _many(folder: Path, size: dict[str, Any], device: str) -> Path:
    """Small networks of as many architectures, untrained."""
    names = subprocess.run(
        [sys.executable, "-c", f"{IMPORT}; print(*timm.list_models('test_*'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    models = [{"name": name, "timm": name, "pretrained": False} for name in names[: size["many"]]]
    return _written(folder / "many", models, size["many images"], device)


def _written(folder: Path, models: Sequence[dict[str, Any]], images: int, device: str) -> Path:
    """A study file of ``models``; JSON is YAML, too."""
    folder.mkdir()
    study = {
        "name": folder.name,
        "store": str(folder / "store"),
        "report": str(folder / "report"),
        "images": {"source": "digits", "count": images},
        "models": list(models),
        "baseline": False,
        "batch": max(4, images // 4),
        "permutations": 20,
        "probing": {"shots": [1]},
        "compute": {"device": device},
    }
    path = folder / "study.yaml"
    path.write_text(json.dumps(study))
    return path


def _seelike(*words: object) -> list[str]:
    return [sys.executable, "-m", "seelike", *map(str, words)]


def _seconds(command: Sequence[str]) -> float:
    """Wall-clock seconds of ``command``; ``RuntimeError`` with its output where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{output}")
    return seconds


def goals(result: Result) -> list[Goal]:
    """Nothing to do costs nothing; reports grow with the models."""
    again = result["again"]
    found = []
    for verbs, base, slack in (
        (AGAIN, "imports and server", SLACK),
        (("layers", "plan"), "imports", SLACK_ALONE),
    ):
        for verb in verbs:
            ratio = again[verb]["median"] / again[base]["median"]
            what = "with nothing to do" if verb in AGAIN else "of a study"
            found.append(
                Goal(
                    f"`seelike {verb}` {what}, of the time of {base}",
                    f"<= {slack:.1f}x",
                    markdown.times(ratio),
                    ratio <= slack,
                )
            )
    drawn, page = result["many drawn"], result["many page"]
    return [
        *found,
        Goal(
            f"report of {result['many']} models",
            f"<= {MANY_SECONDS} s and {markdown.size(MANY_BYTES)}",
            f"{drawn:.1f} s and {markdown.size(page)}",
            drawn <= MANY_SECONDS and page <= MANY_BYTES,
        ),
    ]


def section(result: Result) -> str:
    """Seconds of every command, first and again."""
    again, first = result["again"], result["first"]
    rows = [
        (
            f"`seelike {verb}`" if verb not in ("imports", "imports and server") else verb,
            f"{first[verb]:.1f}" if verb in first else "",
            markdown.seconds(seconds),
        )
        for verb, seconds in again.items()
    ]
    return "\n\n".join(
        (
            f"Seconds of a command in a process of its own, from start to end. The study has three "
            f"networks of the zoo and {result['images']} images. *Again* has nothing to do: all "
            "is in the store, and the report is kept. *Imports* are torch and timm alone; "
            "*imports and server* also start a Prefect server.",
            markdown.table(("", "first", "again"), rows),
            f"A study of {result['many']} small networks on {result['many images']} images takes "
            f"{first['compare many']:.0f} s; drawing its report again takes "
            f"{result['many drawn']:.1f} s, and the page has "
            f"{markdown.size(result['many page'])}.",
        )
    )


ITEM = Item("waiting", "Waiting", measure, goals, section)
