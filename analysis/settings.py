"""Fields of settings that a study file and the documentation describe."""

from dataclasses import field
from typing import Any


def setting(default: Any, description: str, **bounds: float) -> Any:
    """Declare a dataclass field with a description.

    Args:
        default: Its default.
        description: One line for the documentation and for forms.
        bounds: Limits in JSON schema's words, such as ``ge`` and ``lt``; a study checks them.
    """
    return field(default=default, metadata={"description": description, **bounds})
