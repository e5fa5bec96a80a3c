"""Compare what vision networks compute inside, layer by layer.

Everything here is imported when it is first used, so that ``import seelike`` takes no time.

Studies, as a file, a dictionary or a ``Study``: ``compare``, ``anatomy``, ``probe``,
``map_models``, ``reproduce``, ``train``. Arrays: ``similarity``, ``cka``, ``signature``. Networks
at hand: ``load``, ``layers``, ``record``. What was computed: ``open_store``.

Examples:
    >>> import numpy as np
    >>> import seelike
    >>> x = np.random.default_rng(0).normal(size=(64, 8))
    >>> round(float(seelike.cka(x, 3 * x[:, ::-1])), 6)
    1.0
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seelike import old_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from prefect import Flow

    from seelike.analysis.similarity import cka, signature, similarity
    from seelike.flows.study.study import Study
    from seelike.networks import layers, load, record
    from seelike.storage.store import open_store
    from seelike.tasks.results import (
        AnatomyResult,
        ComparisonResult,
        MapResult,
        ProbesResult,
        ReproductionResult,
        TrainingResult,
    )

    R = TypeVar("R")

    class StudyFlow(Flow[[Study], R]):
        """A Prefect flow of a study, which may be given as a dictionary or a file's path."""

        def __call__(self, study: Study | Mapping[str, Any] | str) -> R: ...  # type: ignore[override]

    compare: StudyFlow[ComparisonResult]
    anatomy: StudyFlow[AnatomyResult]
    probe: StudyFlow[ProbesResult]
    map_models: StudyFlow[MapResult]
    reproduce: StudyFlow[ReproductionResult]
    train: StudyFlow[TrainingResult]

__all__ = [
    "Study",
    "anatomy",
    "cka",
    "compare",
    "layers",
    "load",
    "map_models",
    "open_store",
    "probe",
    "record",
    "reproduce",
    "signature",
    "similarity",
    "train",
]

# Module and attribute of every public name.
_HOMES = {
    "Study": ("seelike.flows.study.study", "Study"),
    "anatomy": ("seelike.flows.anatomy", "anatomy"),
    "cka": ("seelike.analysis.similarity", "cka"),
    "compare": ("seelike.flows.compare", "compare"),
    "layers": ("seelike.networks", "layers"),
    "load": ("seelike.networks", "load"),
    "map_models": ("seelike.flows.map", "map_study"),
    "open_store": ("seelike.storage.store", "open_store"),
    "probe": ("seelike.flows.probe", "probe"),
    "record": ("seelike.networks", "record"),
    "reproduce": ("seelike.flows.reproduce", "reproduce"),
    "signature": ("seelike.analysis.similarity", "signature"),
    "similarity": ("seelike.analysis.similarity", "similarity"),
    "train": ("seelike.flows.train", "train"),
}

old_names.answer()


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"seelike has no {name!r}; it has {', '.join(__all__)}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
