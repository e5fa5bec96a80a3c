"""Telemetry of the libraries that seelike runs on: off, unless the environment says otherwise."""

import os

OFF = {
    # Prefect's package and Hugging Face honour it, and so may others.
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # In Prefect 3.8 the second version of the page asks amplitude.com how to track, whatever the
    # analytics are set to; the first asks its own server alone. A person may still switch.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
}


def switch_off() -> None:
    """Set what the environment does not say itself; before Prefect and timm are imported."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
