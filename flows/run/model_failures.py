"""Per-model failures: the other models continue; failures are reported at the end."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from seelike.analysis.networks.loading.models import baseline_name
from seelike.flows.errors import MISTAKES, Incomplete
from seelike.tasks.planning.plans import ModelPlan
from seelike.tasks.runtime.run_log import run_log

T = TypeVar("T")
R = TypeVar("R", covariant=True)


class Pending(Protocol[R]):
    """A submitted step, such as a Prefect future or a list of them."""

    def result(self) -> R:
        """Wait for the step; raise its own exception where it failed."""
        ...


class ModelFailures:
    """The models of one run that failed: ``failed`` has their exceptions, in order of failing."""

    def __init__(self) -> None:
        self.failed: dict[str, Exception] = {}
        self._logged: set[str] = set()

    def gather(
        self, plans: Sequence[ModelPlan], submit: Callable[[ModelPlan], Pending[T]]
    ) -> list[T]:
        """Submit one step per model, and wait for all of them.

        Args:
            plans: The models.
            submit: Submits the step of a model; it may wait for an earlier step of the same model,
                whose exception is then the model's failure.

        Returns:
            The results of the models that did not fail, in the order of ``plans``.

        Raises:
            Exception: The first failure, where every model failed.
        """
        submitted = self.wait({plan.name: partial(submit, plan) for plan in plans})
        left = self.remaining(plans)
        done = self.wait({plan.name: submitted[plan.name].result for plan in left})
        return [done[plan.name] for plan in self.remaining(left)]

    def wait(self, steps: Mapping[str, Callable[[], T]]) -> dict[str, T]:
        """Call one function per model, by the model's name; leave out the models that fail.

        Raises the first failure where no model is left.
        """
        done = {}
        for name, step in steps.items():
            try:
                done[name] = step()
            except Exception as error:
                self.fail(name, error)
        if not done:
            self.raise_first()
        return done

    def fail(self, name: str, error: Exception) -> None:
        """Enter that model ``name`` failed with ``error``.

        The untrained baseline of a model that failed is left out with it, without an entry.
        """
        if name in map(baseline_name, self.failed):
            return
        self.failed[name] = error

    def remaining(self, plans: Iterable[ModelPlan]) -> list[ModelPlan]:
        """The plans of models that did not fail, nor the model of which they are the baseline.

        Raises the first failure where no model is left.
        """
        left = [
            plan for plan in plans if not {plan.name, plan.subject.baseline_of} & self.failed.keys()
        ]
        if not left:
            self.raise_first()
        self.log_new()
        return left

    def log_new(self) -> None:
        """Log the failures that were not logged yet, at once: the other models may take long."""
        for name in self.failed.keys() - self._logged:
            line = f"model {name!r} failed, the others continue: {explained(self.failed[name])}"
            run_log().error(line)
            print(f"seelike: {line}", file=sys.stderr)
        self._logged = set(self.failed)

    @property
    def missing(self) -> dict[str, str]:
        """The reason why each failed model is missing, for the report."""
        return {name: explained(error) for name, error in self.failed.items()}

    def raise_first(self) -> None:
        """Raise the first failure, if there is one."""
        for error in self.failed.values():
            raise error

    def raise_if_any(self, *, report: str) -> None:
        """Raise ``Incomplete`` where a model failed; the ``report`` shows the others."""
        if self.failed:
            mistakes = all(isinstance(error, MISTAKES) for error in self.failed.values())
            raise Incomplete(self.missing, report=report, mistakes=mistakes)


def explained(error: Exception) -> str:
    """``error`` in one line; faults with their type, since their messages seldom say enough."""
    line = " ".join(str(error).split())
    return line if isinstance(error, MISTAKES) else f"{type(error).__name__}: {line}"
