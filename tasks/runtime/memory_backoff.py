"""Fewer images per forward pass when memory runs out."""

from collections.abc import Callable
from typing import TypeVar

from seelike.analysis.errors import AnalysisError
from seelike.analysis.networks.out_of_memory import out_of_memory, release
from seelike.tasks.runtime.run_log import run_log

T = TypeVar("T")


def halving_forward_batch(
    run: Callable[[int], T], *, step: str, forward_batch: int, remedy: str
) -> T:
    """Run a step with fewer and fewer images per forward pass, until memory holds them.

    Args:
        run: The step, called with the images per forward pass. It starts again, or goes on with
            what is missing.
        step: Its name, for messages.
        forward_batch: Images per forward pass of the first attempt.
        remedy: What to change where one image is too much.

    Returns:
        What ``run`` returns.

    Raises:
        AnalysisError: Where memory runs out with one image per forward pass.
    """
    size = forward_batch
    while True:
        try:
            return run(size)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if size == 1:
                raise AnalysisError(
                    f"{step} runs out of memory with one image per forward pass; {remedy}"
                ) from error
        # Outside of the handler, which holds the frames of the failed pass, and their tensors.
        size //= 2
        release()
        run_log().warning(
            f"{step} ran out of memory; it continues with {size} images per forward pass, the "
            "result stays the same"
        )
