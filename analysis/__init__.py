"""The science: networks, similarity and figures. No Prefect, no files."""

from seelike.old_names import refuse

refuse(__name__)
