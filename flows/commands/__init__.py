"""Verbs of the command line that start no Prefect flow."""
