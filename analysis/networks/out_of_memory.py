"""Out-of-memory errors of torch and NumPy, on a GPU and in main memory."""

import gc

import torch

_PHRASES = ("can't allocate memory", "not enough memory", "out of memory", "alloc_failed")


def out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` means that memory, main or a GPU's, did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # torch's allocator in main memory, and cuDNN's and cuBLAS's, raise plain RuntimeErrors.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _PHRASES)


def release() -> None:
    """Release memory without references, for the next, smaller attempt."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
