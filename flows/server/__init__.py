"""Prefect: server, worker, work pool and deployments."""
