"""Looking before computing: the taps of a model, and what a study would cost."""

from collections.abc import Sequence

from analysis.networks.models import ModelSpec
from analysis.networks.reduction import reduced_shape
from flows.steps import images_of, subjects_of, surveyed
from flows.study import Study
from storage.store import Store, locate
from tasks.references import Subject
from tasks.survey import bytes_left, chosen_taps, fits, megabytes, network_of


def plan(study: Study) -> str:
    """A table of what `compare` would record: models, taps, images and bytes to be written.

    Errors are those of the flow itself, save the one for space: this says what is missing.
    """
    images = images_of(study)
    store = locate(study.store)
    rows = [("model", "taps", "images", "activations", "signatures", "still to write")]
    needed = passes = 0
    for subject in subjects_of(study):
        one = surveyed(subject, study, images)
        left = bytes_left(one, store=store, keep=study.keep)
        needed += left
        passes += left > 0
        rows.append(
            (
                one.name,
                str(len(one.taps)),
                str(one.images),
                megabytes(one.activation_bytes) if study.keep == "activations" else "not kept",
                megabytes(one.signature_bytes),
                megabytes(left),
            )
        )
    return (
        f"{table(rows)}\n{passes} passes over {len(images)} images, "
        f"{megabytes(needed)} to write, {_room(needed, store)}"
    )


def _room(needed: int, store: Store) -> str:
    """Whether ``needed`` bytes go into ``store``."""
    free = store.free_bytes()
    if free is None:
        return f"no limit known in {store.url}"
    fit = fits(needed, free=free)
    verdict = "fits" if fit else "DOES NOT FIT; set keep: signatures, or fewer images"
    return f"{megabytes(free)} free in {store.url}: {verdict}"


def layers(model: str, patterns: list[str], *, reduction: str) -> str:
    """A table of the taps that ``patterns`` choose in ``model`` (a timm name, or ``zoo:NAME``).

    timm models are built without weights: their taps do not depend on them.
    """
    zoo = model.removeprefix("zoo:") if model.startswith("zoo:") else None
    spec = ModelSpec(name=model, timm=None if zoo else model, zoo=zoo)
    subject = Subject(spec, tuple(patterns), trained=zoo is not None)
    network = network_of(subject)
    rows = [("tap", "shape", "bytes an image", "depth")]
    for tap in chosen_taps(network, subject):
        shape = reduced_shape(tap, reduction)
        size = 4
        for n in shape:
            size *= n
        rows.append((tap.name, " x ".join(map(str, shape)), f"{size:,}", f"{tap.depth:.2f}"))
    return f"{table(rows)}\n{len(rows) - 1} taps, input {network.input_size}"


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text in columns; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
