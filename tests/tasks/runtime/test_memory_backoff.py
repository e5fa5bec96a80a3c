"""Images per forward pass are halved until memory holds them."""

import pytest

from seelike.analysis.errors import AnalysisError
from seelike.tasks.runtime.memory_backoff import halving_forward_batch


class Step:
    """Needs memory for its images; ``sizes`` are those that were tried."""

    def __init__(self, room: int) -> None:
        self.room, self.sizes = room, list[int]()

    def __call__(self, size: int) -> str:
        self.sizes.append(size)
        if size > self.room:
            raise MemoryError("out of memory")
        return "done"


@pytest.mark.parametrize(
    ("room", "sizes"), [(100, [12]), (12, [12]), (5, [12, 6, 3]), (1, [12, 6, 3, 1])]
)
def test_the_forward_batch_is_halved_until_memory_holds_it(room: int, sizes: list[int]) -> None:
    step = Step(room)
    assert halving_forward_batch(step, step="x", forward_batch=12, remedy="less") == "done"
    assert step.sizes == sizes


def test_one_image_too_much_is_an_error_with_its_remedy() -> None:
    step = Step(0)
    with pytest.raises(AnalysisError, match=r"ViT .* one image per .*; take fewer layers"):
        halving_forward_batch(step, step="ViT", forward_batch=4, remedy="take fewer layers")
    assert step.sizes == [4, 2, 1]


def test_other_errors_are_raised_at_once() -> None:
    sizes = []

    def step(size: int) -> None:
        sizes.append(size)
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        halving_forward_batch(step, step="x", forward_batch=4, remedy="")
    assert sizes == [4]
