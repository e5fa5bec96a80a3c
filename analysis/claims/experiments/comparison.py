"""Claims of E1, E2 and E14, tested on the models of a comparison."""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from seelike.analysis.claims import matrix_statistics as statistics
from seelike.analysis.claims.evidence import Case
from seelike.analysis.claims.findings import ComparedModels, Side, Trial
from seelike.analysis.claims.layer_parts import (
    block_contrast,
    block_contrast_by_chance,
    stage_contrast,
    stage_contrast_by_chance,
)

# The stream of a timm ViT, and where its branches end (attention) or are widest (MLP).
_STREAM = re.compile(r"blocks\.\d+|blocks\.0:input|blocks\.\d+\.norm2:input")
_BRANCH = re.compile(r"blocks\.\d+\.(attn|ls1|mlp\.act)")
# A unit's stage, in the names of timm's ResNets.
_STAGE = re.compile(r"(layer\d+|stages\.\d+)\.")
_Places = tuple[list[int], list[int]]


def cases(measured: ComparedModels) -> list[Case]:
    """Test E1, E2 and E14 on the first network of every family, then the second, and so on.

    A claim tested twice on the same networks is listed once.
    """
    found: dict[tuple[str, tuple[str, ...]], Case] = {}
    for cast in measured.roles:
        for case in _of_cast(measured, cast):
            found.setdefault((case.id, case.networks), case)
    return list(found.values())


def _of_cast(measured: ComparedModels, cast: Sequence[str]) -> Iterator[Case]:
    vit, resnet, mixer = (measured.of_family(f, cast) for f in ("vit", "resnet", "mixer"))
    if vit is not None and resnet is not None:
        yield measured.case(_ends(vit, resnet))
        yield measured.case(_lowest(vit, resnet))
    if resnet is not None:
        part = stages(measured.taps(resnet))
        if part is not None:
            yield measured.case(_stages(resnet, part))
    if vit is not None and resnet is not None:
        yield measured.case(_lower_half(vit, resnet))
        yield measured.case(_last_third(vit, resnet))
        if mixer is not None:
            yield measured.case(*_mixer(mixer, vit, resnet))
    if mixer is not None:
        yield measured.case(_blocks(mixer))


def fine_cases(measured: ComparedModels) -> list[Case]:
    """Test the grid in a ViT's heatmap (E1) on a comparison of the taps ``paper``."""
    found: dict[str, Case] = {}
    for vit in (measured.of_family("vit", cast) for cast in measured.roles):
        if vit is None or vit in found:
            continue
        along, beside = _stream_and_branches(measured.taps(vit))
        if along[0] and beside[0]:
            found[vit] = measured.case(_grid(vit, along, beside))
    return list(found.values())


def _grid(vit: str, along: _Places, beside: _Places) -> Trial:
    return Trial(
        "E1-grid",
        f"mean CKA of {vit}'s residual stream after a sum",
        Side("with the stream after the next sum", vit, vit, lambda m: statistics.paired(m, along)),
        Side("with the branch of the next sum", vit, vit, lambda m: statistics.paired(m, beside)),
    )


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


def stages(taps: Sequence[str]) -> list[int] | None:
    """The stage of every tap, by its name, -1 of none; None where there are no two of units."""
    found = [_STAGE.match(tap) for tap in taps]
    names = [match[1] if match else "" for match in found]
    order = list(dict.fromkeys(name for name in names if name))
    part = [order.index(name) if name else -1 for name in names]
    # Units one after the other have to be in one stage, and in two.
    neighbours = [(a, b) for a, b in pairwise(part) if min(a, b) >= 0]
    return part if {True, False} <= {a == b for a, b in neighbours} else None


def _stages(resnet: str, part: Sequence[int]) -> Trial:
    return Trial(
        "E1-stages",
        f"mean CKA of two units of {resnet} in the same stage, minus that of two equally distant "
        "units in different stages",
        Side("here", resnet, resnet, lambda matrix: stage_contrast(matrix, part)),
        Side(
            "of units in random order, or of a smooth fall",
            resnet,
            resnet,
            lambda matrix: stage_contrast_by_chance(matrix, part),
        ),
    )


def _blocks(mixer: str) -> Trial:
    return Trial(
        "E14-blocks",
        f"mean CKA of two layers of {mixer} in the same block, minus that of two equally distant "
        "layers in different blocks, divided where the difference is largest",
        Side("here", mixer, mixer, block_contrast),
        Side(
            "of layers in random order, or of a smooth fall",
            mixer,
            mixer,
            block_contrast_by_chance,
        ),
    )


def _ends(vit: str, resnet: str) -> Trial:
    return Trial(
        "E1-ends",
        "mean CKA of the bottom quarter of the layers with the top quarter",
        Side(vit, vit, vit, statistics.bottom_top),
        Side(resnet, resnet, resnet, statistics.bottom_top),
    )


def _lowest(vit: str, resnet: str) -> Trial:
    return Trial(
        "E1-lowest",
        "mean CKA of the least similar 5 % of pairs of layers",
        Side(vit, vit, vit, statistics.least_similar),
        Side(resnet, resnet, resnet, statistics.least_similar),
    )


def _lower_half(vit: str, resnet: str) -> Trial:
    return Trial(
        "E2-lower-half",
        f"mean CKA of {resnet}'s lower half with the most similar layer of {vit}",
        Side(f"in {vit}'s lowest quarter", resnet, vit, statistics.match_in_lowest_quarter),
        Side("higher up", resnet, vit, statistics.match_higher_up),
    )


def _last_third(vit: str, resnet: str) -> Trial:
    return Trial(
        "E2-last-third",
        f"mean CKA of the most similar 5 % of pairs of a layer in {vit}'s last third and one of "
        f"{resnet}",
        Side("no resemblance, up to", resnet, vit, lambda _: statistics.NO_RESEMBLANCE),
        Side("here", resnet, vit, statistics.last_third_resemblance),
    )


def _mixer(mixer: str, vit: str, resnet: str) -> tuple[Trial, Trial]:
    """Trials of closeness in two ways: by best matches, and over all pairs."""
    measures = {
        f"mean CKA of {mixer}'s layers with the most similar layer": statistics.resemblance,
        f"mean CKA over all pairs of a layer of {mixer} with one": statistics.overall,
    }
    first, second = (
        Trial(
            "E2-mixer",
            measure,
            Side(f"of {vit}", mixer, vit, number),
            Side(f"of {resnet}", mixer, resnet, number),
        )
        for measure, number in measures.items()
    )
    return first, second
