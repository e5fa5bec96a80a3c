"""The section on the overhead of recording: ratios, goals, two tables."""

from typing import Any

from benchmarks.harness import markdown
from benchmarks.harness.item import Goal, Result

PEER_SHARE, BOUND_SHARE = 0.5, 2.0
# Seconds inside the hooks of ResNet-50, taps `paper`, n = 64, on two cores without a GPU.
TRIED = """What was tried, by the seconds inside the hooks of ResNet-50, `paper`, 64 images, two \
cores:

- NumPy's symmetric products on a pool of Python threads: 2.6 to 2.9. Alone they take half of \
that; in a hook torch's own threads still spin beside them.
- One product per tap by torch: 1.7. A batch of products over blocks of 2048 features: 1.5, \
without looking at the mean.
- The same in bands of rows up to the diagonal, 0.6 of the work; the mean taken out of blocks that \
are mostly mean after their product, by a second one: 4.3.
- Whether a block is mostly mean guessed from 64 of its features, and centred in a buffer that the \
cache holds: 2.1. The networks are untrained, so that half of the taps have more than 60 times as \
much energy in their mean as around it.
- Since the table above was measured, centred only where the mean has more than 128 times the \
energy, which was 16: one thread's CPU seconds for 32 images go from 1.26 to 0.98 (never centred: \
0.81; NumPy's symmetric products: 0.55), and CKA of independent features with a mean of 65 times \
their energy is off by up to 1.4e-5, not 2e-8.

Smaller than half of the peer's time it is only where its stored activations cost it more than \
its products: the products themselves take it as long as here, since both reach torch's rate for \
general products; it does not centre, and is off by up to 1 where the mean is large (see below)."""


def _median(found: dict[str, Any] | None, part: str) -> float | None:
    return None if found is None else float(found[part]["median"])


def to_peer(case: dict[str, Any]) -> float | None:
    """seelike's time beyond the bare pass over the peer's; None where that is nothing."""
    own, other = _median(case["seelike"], "beyond"), _median(case["peer"], "beyond")
    return None if own is None or other is None or other <= 0 else own / other


def to_bound(case: dict[str, Any]) -> float:
    """seelike's time beyond the bare pass over the arithmetic bound."""
    return float(case["seelike"]["beyond"]["median"] / case["bound"]["seconds"])


def goals(result: Result) -> list[Goal]:
    """The worst case counts, and a case in which the peer's own cost drowns in noise for none."""
    beside = [ratio for ratio in map(to_peer, result["cases"]) if ratio is not None]
    drowned = sum(c["peer"] is not None and to_peer(c) is None for c in result["cases"])
    bounds = [to_bound(case) for case in result["cases"]]
    return [
        Goal(
            f"recording beyond the bare forward pass, over {result['peer']}'s",
            f"<= {PEER_SHARE}",
            (f"{min(beside):.2f} to {max(beside):.2f}" if beside else "not measured")
            + (f", {drowned} cases lost in noise" if drowned else ""),
            max(beside) <= PEER_SHARE if beside and not drowned else None,
        ),
        Goal(
            "recording beyond the bare forward pass, over the arithmetic bound",
            f"<= {BOUND_SHARE}",
            f"{min(bounds):.2f} to {max(bounds):.2f}",
            max(bounds) <= BOUND_SHARE,
        ),
    ]


def section(result: Result) -> str:
    """Two tables: beside the peer, and beside the bound."""
    cases, peer = result["cases"], result["peer"]
    left_out = [case for case in cases if case["peer_left_out"] == "memory"]
    paragraphs = [
        f"One batch of n images (noise), untrained timm networks, inference mode. `beyond` is the "
        f"call's time less that of the bare pass of the same round; `own code` is what a stopwatch "
        f"around the Gram code itself says. {peer} is called as `compute_cka(network, network, "
        f"...)`, its cheapest call: one pass, each Gram once. Both end with the products of all "
        f"pairs of taps. `paper` is here without its `:input` taps, which {peer} cannot read.",
        markdown.table(
            ("model, taps, n", "bare pass (s)", "seelike", peer, "share", "own code", "its own"),
            [_beside(case) for case in cases],
        ),
        f"Seconds beyond the bare pass: median (least to most). {_noise(cases)} "
        f"{_shares(cases, peer)}",
    ]
    if left_out:
        names = markdown.listed(
            [f"{_name(case)} ({markdown.size(case['held_bytes'])})" for case in left_out]
        )
        share = markdown.percent(result["memory_share"])
        paragraphs.append(
            f"{peer} holds the activations of all taps of a batch and was left out where that is "
            f"more than {share} of the memory: {names}."
        )
    paragraphs += [
        "The bound is n · p multiply-adds per image and tap of p features, halved by symmetry, at "
        "the rate measured for that very shape: the smaller of NumPy's symmetric product "
        "(`SYRK`) and half a general one (`GEMM / 2`).",
        markdown.table(
            ("model, taps, n", "SYRK (s)", "GEMM / 2", "bound", "beyond / bound", "own / bound"),
            [_beside_bound(case) for case in cases],
        ),
        TRIED,
    ]
    return "\n\n".join(paragraphs)


def _name(case: dict[str, Any]) -> str:
    return f"{case['model']} {case['taps']} ({case['count']}) {case['n']}"


def _beside(case: dict[str, Any]) -> tuple[str, ...]:
    peer = case["peer"]
    ratio = to_peer(case)
    return (
        _name(case),
        markdown.seconds(case["bare"]),
        markdown.seconds(case["seelike"]["beyond"]),
        markdown.seconds(peer and peer["beyond"]),
        "" if ratio is None else f"{ratio:.2f}",
        markdown.number(case["seelike"]["inside"]["median"]),
        "" if peer is None else markdown.number(peer["inside"]["median"]),
    )


def _beside_bound(case: dict[str, Any]) -> tuple[str, ...]:
    found = case["bound"]
    inside = case["seelike"]["inside"]["median"] / found["seconds"]
    return (
        _name(case),
        markdown.number(found.get("syrk") or None),
        markdown.number(found["half_gemm"]),
        markdown.number(found["seconds"]),
        f"{to_bound(case):.2f}",
        f"{inside:.2f}",
    )


def _shares(cases: list[dict[str, Any]], peer: str) -> str:
    """Added time of recording, in percent of the bare pass."""

    def added(way: str) -> str:
        shares = [c[way]["beyond"]["median"] / c["bare"]["median"] for c in cases if c[way]]
        return f"{markdown.percent(min(shares))} to {markdown.percent(max(shares))}"

    added_share = f"seelike adds {added('seelike')} to the bare pass"
    return (
        f"{added_share}, {peer} {added('peer')}."
        if any(c["peer"] for c in cases)
        else f"{added_share}."
    )


def _noise(cases: list[dict[str, Any]]) -> str:
    """Whether the differences exceed the variation of the bare pass itself."""
    unsure = [
        _name(case)
        for case in cases
        if case["seelike"]["beyond"]["median"] < case["bare"]["max"] - case["bare"]["min"]
    ]
    if not unsure:
        return "All of seelike's are larger than what the bare pass itself varied by."
    return (
        f"Smaller than what the bare pass itself varied by, so to be read with `own code`: "
        f"{markdown.listed(unsure)}."
    )
