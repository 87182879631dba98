"""Requests at once to a service over all runs, as far as the operator has set a limit in Prefect.

prefect gcl create biolm-esm2-8m --limit 16
"""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from tasks.policies import run_logger


@contextmanager
def slots(name: str, wanted: int) -> Iterator[int]:
    """How many slots of the global concurrency limit `name` this stage has, at most `wanted`.

    Without such a limit, or outside of a flow run, it has all that it wants. The slots are free
    again when the block ends, or minutes after its process was killed.
    """
    most = _limit(name)
    if most is None:
        yield wanted
        return
    granted = min(wanted, most)
    run_logger().info("waiting for %d of %d slots of the limit %s", granted, most, name)
    with concurrency(name, occupy=granted):
        yield granted


def _limit(name: str) -> int | None:
    """The limit that is set and active."""
    if FlowRunContext.get() is None:
        return None
    with get_client(sync_client=True) as client:
        try:
            limit = client.read_global_concurrency_limit_by_name(name)
        except ObjectNotFound:
            return None
    return limit.limit if limit.active and limit.limit > 0 else None
