"""The claims of E1, E2 and E14 put to the models of a comparison."""

import re
from collections.abc import Sequence
from itertools import pairwise

from analysis.similarity import structure
from analysis.similarity.findings import Finding, Measured, Side, Trial

# Layers that a division into two blocks of at least two takes.
_BLOCKS_NEED = 4
# The stream of a timm ViT, and where its branches end (attention) or are widest (MLP).
_STREAM = re.compile(r"blocks\.\d+|blocks\.0:input|blocks\.\d+\.norm2:input")
_BRANCH = re.compile(r"blocks\.\d+\.(attn|ls1|mlp\.act)")
# A unit's stage, in the names of timm's ResNets.
_STAGE = re.compile(r"(layer\d+|stages\.\d+)\.")
_Places = tuple[list[int], list[int]]


def findings(measured: Measured) -> list[Finding]:
    """What ``measured`` says on those claims of E1, E2 and E14 whose families it has."""
    vit, resnet, mixer = (measured.first(kind) for kind in ("vit", "resnet", "mixer"))
    trials: list[Trial] = []
    if vit is not None and resnet is not None:
        trials += _within(vit, resnet)
    if resnet is not None:
        trials += _stages(resnet, measured.taps(resnet))
    if vit is not None and resnet is not None:
        trials += _across(vit, resnet)
        if mixer is not None:
            trials.append(_mixer(mixer, vit, resnet))
    if mixer is not None and len(measured.taps(mixer)) >= _BLOCKS_NEED:
        trials.append(_blocks(mixer))
    if vit is not None and resnet is not None and mixer is not None:
        trials.append(_closer(mixer, vit, resnet))
    return [measured.finding(trial) for trial in trials]


def fine_findings(measured: Measured) -> list[Finding]:
    """What a comparison of the taps ``paper`` says on the grid in a ViT's heatmap (E1)."""
    vit = measured.first("vit")
    if vit is None:
        return []
    taps = measured.taps(vit)
    along, beside = _stream_and_branches(taps)
    if not along[0] or not beside[0]:
        return []
    trial = Trial(
        "E1-grid",
        f"mean CKA of {vit}'s residual stream after a sum",
        Side("with the stream after the next sum", vit, vit, lambda m: structure.paired(m, along)),
        Side("with the branch of the next sum", vit, vit, lambda m: structure.paired(m, beside)),
    )
    return [measured.finding(trial)]


def _stream_and_branches(taps: Sequence[str]) -> tuple[_Places, _Places]:
    """Places of the stream beside those of the stream after the next sum, and of its branch."""
    along: _Places = ([], [])
    beside: _Places = ([], [])
    before = None
    for place, tap in enumerate(taps):
        if not _STREAM.fullmatch(tap):
            continue
        if before is not None:
            along[0].append(before)
            along[1].append(place)
            branch = next((i for i in range(before, place) if _BRANCH.fullmatch(taps[i])), None)
            if branch is not None:
                beside[0].append(before)
                beside[1].append(branch)
        before = place
    return along, beside


def _stages(resnet: str, taps: Sequence[str]) -> list[Trial]:
    found = [_STAGE.match(tap) for tap in taps]
    names = [match[1] if match else "" for match in found]
    order = list(dict.fromkeys(name for name in names if name))
    part = [order.index(name) if name else -1 for name in names]
    # Units one after the other have to be in one stage, and in two.
    neighbours = [(a, b) for a, b in pairwise(part) if min(a, b) >= 0]
    if not {True, False} <= {a == b for a, b in neighbours}:
        return []
    return [
        Trial(
            "E1-stages",
            f"mean CKA of two units of {resnet}, as far apart",
            Side(
                "in one stage",
                resnet,
                resnet,
                lambda matrix: structure.within_and_across(matrix, part)[0],
            ),
            Side(
                "in two stages",
                resnet,
                resnet,
                lambda matrix: structure.within_and_across(matrix, part)[1],
            ),
        )
    ]


def _blocks(mixer: str) -> Trial:
    return Trial(
        "E14-blocks",
        f"mean CKA of two layers of {mixer}, as far apart, divided where it tells most",
        Side("in one block", mixer, mixer, lambda matrix: structure.two_blocks(matrix)[0]),
        Side("in two blocks", mixer, mixer, lambda matrix: structure.two_blocks(matrix)[1]),
    )


def _closer(mixer: str, vit: str, resnet: str) -> Trial:
    return Trial(
        "E14-closer",
        f"mean CKA over all pairs of a layer of {mixer} with one",
        Side(f"of {vit}", mixer, vit, structure.overall),
        Side(f"of {resnet}", mixer, resnet, structure.overall),
    )


def _within(vit: str, resnet: str) -> list[Trial]:
    return [
        Trial(
            "E1-ends",
            "mean CKA of the bottom quarter of the layers with the top quarter",
            Side(vit, vit, vit, structure.bottom_top),
            Side(resnet, resnet, resnet, structure.bottom_top),
        ),
        Trial(
            "E1-lowest",
            "smallest CKA between two layers",
            Side(vit, vit, vit, structure.lowest),
            Side(resnet, resnet, resnet, structure.lowest),
        ),
    ]


def _across(vit: str, resnet: str) -> list[Trial]:
    return [
        Trial(
            "E2-lower-half",
            f"share of {resnet}'s lower half whose most similar layer of {vit} lies",
            Side(f"in {vit}'s lowest quarter", resnet, vit, structure.lower_half_match),
            Side("higher up", resnet, vit, structure.lower_half_mismatch),
        ),
        Trial(
            "E2-last-third",
            f"mean CKA of {vit}'s layers with the most similar layer of {resnet}",
            Side("before the last third", resnet, vit, structure.before_last_third_resemblance),
            Side("in the last third", resnet, vit, structure.last_third_resemblance),
        ),
    ]


def _mixer(mixer: str, vit: str, resnet: str) -> Trial:
    return Trial(
        "E2-mixer",
        f"mean CKA of {mixer}'s layers with the most similar layer",
        Side(f"of {vit}", mixer, vit, structure.resemblance),
        Side(f"of {resnet}", mixer, resnet, structure.resemblance),
    )
