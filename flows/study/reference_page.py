"""Reference page of the study file, generated from its models: `make docs` writes it."""

import types
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from seelike.flows.study.model_patterns import ModelPattern
from seelike.flows.study.study import Study

HEAD = """# The study file

Every key of a study file. `make docs` writes this page from the models that read the file. An
unknown key is an error that suggests similar ones. `--set images.count=512` changes one key from
the command line. `studies/` has complete examples.
"""


def reference() -> str:
    """The page docs/study.md."""
    return "\n".join([HEAD, *_tables("", Study, {})]) + "\n"


def _tables(place: str, part: type, known: dict[type, str]) -> Iterator[str]:
    """A table of the keys of ``part``, then of each part below it that is not ``known``."""
    yield f"## {place or 'Top level'}\n"
    if part in known:
        yield f"The keys of [{known[part]}](#{known[part].replace('.', '')}).\n"
        return
    known[part] = place
    first = (part.__doc__ or "").split("\n\n")[0]
    yield f"{' '.join(first.split())}\n"
    yield "| key | meaning | type | default |"
    yield "|---|---|---|---|"
    below = []
    for name, annotation, words, default in _keys(part):
        yield f"| `{name}` | {words} | {_kind(annotation)} | {default} |"
        below += [(f"{place}.{name}".lstrip("."), one) for one in _parts(annotation)]
    if part is Study:
        below.append(("models by a pattern", ModelPattern))
    yield ""
    for key, one in below:
        yield from _tables(key, one, known)


def _keys(part: Any) -> Iterator[tuple[str, Any, str, str]]:
    """Yield name, annotation, description and default of every key."""
    if issubclass(part, BaseModel):
        for name, field in part.model_fields.items():
            yield name, field.annotation, field.description or "", _default(field.default)
    else:
        kinds = get_type_hints(part)
        for one in fields(part):
            made = one.default if one.default_factory is MISSING else one.default_factory()
            words = str(one.metadata.get("description", ""))
            yield one.name, kinds[one.name], words, _default(made)


def _parts(annotation: Any) -> Iterator[type]:
    """The parts of a study inside an annotation."""
    if _is_part(annotation):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _is_part(annotation: Any) -> bool:
    return isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation)
    )


def _kind(annotation: Any) -> str:
    """Name the type of a key as YAML has it."""
    inside = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(_kind(one) for one in inside if one is not type(None))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{one}`" for one in inside)
    if get_origin(annotation) in (list, tuple):
        return f"list of {_kind(inside[0])}"
    if _is_part(annotation):
        return "keys below"
    known = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return known.get(annotation, "keys")


def _default(value: Any) -> str:
    """Format the default of a key."""
    if value is None:
        return ""
    if value in (PydanticUndefined, MISSING):
        return "required"
    if _is_part(type(value)):
        return "as below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list | tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


if __name__ == "__main__":
    print(reference(), end="")
