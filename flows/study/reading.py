"""Read a study file, apply ``--set`` to it, and word its mistakes in one line."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from seelike.flows.errors import StudyError
from seelike.flows.study.model import Model
from seelike.flows.study.study import Study
from seelike.flows.study.study_file import read_yaml
from seelike.storage.errors import suggest


def read_study(path: Path, *, settings: Sequence[str] = ()) -> Study:
    """Read the study in a YAML file.

    Args:
        path: The file.
        settings: Changes to it, such as ``images.count=512``, applied in order.

    Returns:
        The validated study.

    Raises:
        StudyError: One line that names the key, what was expected, and similar names.
    """
    content = read_yaml(path)
    for setting in settings:
        _apply(content, setting)
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{path}: {explain(error)}") from error


def _apply(content: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise StudyError(f"--set {setting!r}: expected key=value, such as images.count=512")
    *parents, last = key.split(".")
    here: Any = content
    try:
        for name in parents:
            here = here[int(name)] if isinstance(here, list) else here.setdefault(name, {})
        here[int(last) if isinstance(here, list) else last] = yaml.safe_load(text)
    except (ValueError, IndexError, AttributeError, TypeError, yaml.YAMLError) as error:
        raise StudyError(
            f"--set {setting!r}: the study has no key {key!r}, or the value is not YAML"
        ) from error


def explain(error: ValidationError) -> str:
    """Word at most three mistakes of a validation in one line."""
    lines = []
    for item in error.errors(include_url=False)[:3]:
        where = ".".join(str(part) for part in item["loc"])
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            *parents, key = item["loc"]
            lines.append(f"unknown key {where!r}; {suggest(str(key), _keys(parents))}")
        elif item["type"] == "missing":
            lines.append(f"key {where!r} is missing")
        else:
            message = item["msg"].removeprefix("Value error, ")
            given = "" if isinstance(item["input"], dict | list) else f" (got {item['input']!r})"
            lines.append(f"{where}: {message}{given}" if where else message)
    return "; ".join(lines)


def _keys(parents: list[int | str]) -> list[str]:
    """The keys of a study below ``parents``."""
    here: Any = Study
    for part in parents:
        if part == "models":
            here = Model
        elif isinstance(part, str):
            here = here.model_fields[part].annotation
    if is_dataclass(here):
        return [field.name for field in fields(here)]
    return list(here.model_fields)
