"""The steps: each reads storage, calls analysis and writes storage; Prefect and Dask live here."""

from seelike.old_names import refuse

refuse(__name__)
