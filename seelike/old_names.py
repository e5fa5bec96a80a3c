"""The names that packages were imported by before 0.2.0, answered with the new ones."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

OLD = ("analysis", "flows", "storage", "tasks")


def refuse(name: str) -> None:
    """Raise ``ModuleNotFoundError`` where a package of seelike is imported by its old ``name``.

    Raises:
        ModuleNotFoundError: ``name`` is one of ``OLD``; the message has the new name.
    """
    if name in OLD:
        raise ModuleNotFoundError(
            f"No module named {name!r}: since 0.2.0 seelike is imported as seelike.{name}; "
            f"replace `from {name}` by `from seelike.{name}`",
            name=name,
        )


class OldNames(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds ``OLD`` names that nothing else finds, and refuses to load them."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec that cannot be loaded, for old names alone; others stay not found."""
        if path is None and fullname in OLD:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Raise, as ``refuse`` does."""
        refuse(module.__name__)


def answer() -> None:
    """Answer imports of old names from now on; a module of the user's own comes first."""
    if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
        sys.meta_path.append(OldNames())
