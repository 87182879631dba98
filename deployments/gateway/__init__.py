"""Runs over HTTP for callers who are not to have Prefect's own login.

application.py   the routes put together; OpenAPI
routes.py        what callers may ask for
auditing.py      the line of the audit around each request
admission.py     whose key it is, and how often it may ask
bodies.py        bytes to JSON, bounded and strict
inputs.py        JSON to parameters: the pipeline's model, and what a key may name in them
prefect_runs.py  Prefect's API: start, look at, cancel the runs of a caller
answers.py       what comes back; state.py: what requests share
server.py        uvicorn around it
"""
