"""Taps: hook points at which a network's activations are read, found by one forward pass."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seelike.analysis.errors import AnalysisError, suggest
from seelike.analysis.networks.layers import tap_sets
from seelike.analysis.networks.layers.events import IMAGES, Event, events
from seelike.analysis.networks.layers.layouts import Layout, Layouts
from seelike.analysis.networks.network import Network
from seelike.analysis.networks.patterns import (
    Pattern,
    Side,
    generalise,
    parse,
)


@dataclass(frozen=True)
class Tap:
    """One hook point: the output or the input of one call of a module.

    Attributes:
        name: The module's dotted name, with ``@k`` where the module is called several times in a
            forward pass, and ``:input`` for its input.
        module: The module's dotted name.
        side: Output or input.
        call: Number of the call, from 0.
        calls: Calls of the module in a forward pass.
        shape: Shape of one image's features as the module gives them.
        depth: Place in the firing order of all inputs and outputs of all modules: 0 the network's
            input, 1 its output. It does not depend on the choice of taps, and no two taps of a
            network share it.
        layout: Meaning of the axes.
    """

    name: str
    module: str
    side: Side
    call: int
    calls: int
    shape: tuple[int, ...]
    depth: float
    layout: Layout

    @property
    def bytes_per_image(self) -> int:
        """Bytes of one image's features in float32, unreduced."""
        return 4 * math.prod(self.shape)


def taps(network: Network, patterns: str | Sequence[str] = "blocks") -> tuple[Tap, ...]:
    """Find the taps that patterns match, each once, in firing order; runs one forward pass.

    Args:
        network: The network.
        patterns: Tap sets (``blocks``, ``paper``: see ``tap_sets``) or globs over dotted names of
            modules, in which ``*`` matches within one component and ``**`` across them:
            ``blocks.*.mlp``, ``layer*.*``, ``blocks.3.norm2:input``, ``act@1`` (the second call).

    Returns:
        The taps.

    Raises:
        AnalysisError: For a pattern without a match; the message offers the nearest names.

    Examples:
        ```python
        [tap.name for tap in taps(resnet, ["blocks", "layer*.*.conv1"])]
        ```
    """
    asked = [patterns] if isinstance(patterns, str) else list(patterns)
    if not asked:
        raise AnalysisError(f"no taps asked for in {network.name}; give 'blocks' or patterns")
    fired = events(network)
    chosen: set[int] = set()
    for text in asked:
        if text in tap_sets.SETS:
            for member in tap_sets.members(text, network, fired):
                chosen.update(_matched(parse(member), fired))
        else:
            pattern = parse(text)
            matched = _matched(pattern, fired)
            if not matched:
                raise AnalysisError(_why_nothing(pattern, fired, network))
            chosen.update(matched)
    return tuple(_taps_at(sorted(chosen), fired, network))


def _matched(pattern: Pattern, fired: Sequence[Event]) -> list[int]:
    """Indices into ``fired`` of the pattern's events that can be taps."""
    return [
        place
        for place, event in enumerate(fired)
        if event.feature_shape is not None
        and event.module  # The network itself has no name to be tapped by.
        and event.side == pattern.side
        and pattern.call in (None, event.call)
        and pattern.matches(event.module)
    ]


def _taps_at(places: Sequence[int], fired: Sequence[Event], network: Network) -> Iterator[Tap]:
    calls = Counter((event.module, event.side) for event in fired)
    layouts = Layouts(network)
    for place in places:
        event = fired[place]
        shape = event.feature_shape
        assert shape is not None
        several = calls[event.module, event.side]
        name = event.module + (f"@{event.call}" if several > 1 else "")
        yield Tap(
            name=name + (":input" if event.side == "input" else ""),
            module=event.module,
            side=event.side,
            call=event.call,
            calls=several,
            shape=shape,
            depth=place / (len(fired) - 1),
            layout=layouts.of(shape, module=event.module),
        )


def _why_nothing(pattern: Pattern, fired: Sequence[Event], network: Network) -> str:
    start = f"pattern {pattern.text!r} matched nothing in {network.name}"
    named = [n for n, _ in network.module.named_modules() if n and pattern.matches(n)]
    ran = [e for e in fired if e.module in named and e.side == pattern.side]
    if not named:
        suffix = ":input" if pattern.side == "input" else ""
        known = [e.module for e in fired if e.feature_shape is not None and e.module]
        names = [*tap_sets.SETS, *map(generalise, known), *known]
        return f"{start}; {suggest(pattern.modules, names, suffix=suffix)}"
    if not ran:
        hint = "tap a module that runs"
        if any(n.endswith(("attn_drop", "softmax")) for n in named):
            hint = "fused attention skips it: tap the attention module, or set TIMM_FUSED_ATTN=0"
        return f"{start}: {named[0]!r} never ran in the forward pass; {hint}"
    if pattern.call is not None and all(e.call != pattern.call for e in ran):
        times = max(e.call for e in ran) + 1
        return f"{start}: {named[0]!r} is called {times} times in a forward pass, counted from @0"
    return (
        f"{start}: the {pattern.side} of {named[0]!r} is no float tensor with the images on its "
        f"first axis (for {IMAGES} images its shape is {ran[0].shape}); tap a module around it"
    )
