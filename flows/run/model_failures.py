"""Per-model failures: the other models continue; failures are reported at the end."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from prefect.futures import PrefectFuture

from seelike.analysis.networks.loading.models import baseline_name
from seelike.flows.errors import MISTAKES, Incomplete
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.runtime.run_log import run_log

T = TypeVar("T")


class ModelFailures:
    """The models of one run that failed, and why: ``failed`` by name, in the order of failing."""

    def __init__(self) -> None:
        self.failed: dict[str, Exception] = {}
        self._told: set[str] = set()

    def wait(self, futures: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """What is got for every model, by name, without those that fail on the way.

        Raises the first failure where nothing is left to go on with.
        """
        done = {}
        for name, result in futures.items():
            try:
                done[name] = result()
            except Exception as error:
                self.fail(name, error)
        if not done:
            raise next(iter(self.failed.values()))
        return done

    def fail(self, name: str, error: Exception) -> None:
        """Enter that the branch of model ``name`` ended with ``error``.

        The untrained twin of a model that failed is left out with it, without a word of its own.
        """
        if name in map(baseline_name, self.failed):
            return
        self.failed[name] = error

    def remaining(self, plans: Iterable[ModelPlan]) -> list[ModelPlan]:
        """Those of ``plans`` that have not failed, and whose model has not either.

        Raises the first failure where none are left.
        """
        left = [
            plan for plan in plans if not {plan.name, plan.subject.baseline_of} & self.failed.keys()
        ]
        if not left:
            raise next(iter(self.failed.values()))
        self.log_new()
        return left

    def log_new(self) -> None:
        """Tell the failures that were not told yet: the others take long, perhaps."""
        for name in self.failed.keys() - self._told:
            line = f"model {name!r} failed, the others go on: {explained(self.failed[name])}"
            run_log().error(line)
            print(f"seelike: {line}", file=sys.stderr)
        self._told = set(self.failed)

    @property
    def missing(self) -> dict[str, str]:
        """Why each failed model is missing, for the report."""
        return {name: explained(error) for name, error in self.failed.items()}

    def raise_if_any(self, *, report: str) -> None:
        """Raise ``Incomplete`` where a branch failed; the ``report`` shows the others."""
        if self.failed:
            mistakes = all(isinstance(error, MISTAKES) for error in self.failed.values())
            raise Incomplete(self.missing, report=report, mistakes=mistakes)


def results(future: PrefectFuture[T]) -> Callable[[], T]:
    """How to get the result of ``future``: its own exception is raised where it failed."""
    return lambda: future.result()


def explained(error: Exception) -> str:
    """``error`` in one line; faults with their type, since their messages seldom say enough."""
    line = " ".join(str(error).split())
    return line if isinstance(error, MISTAKES) else f"{type(error).__name__}: {line}"
