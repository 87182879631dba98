"""Who asks, and how often: the key of a request, and the rates that it has."""

import math
import time
from typing import Annotated

import limits
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import Request

from blocks.access_keys import Key
from blocks.errors import InputError
from deployments.gateway.answers import RefusedError
from flows.registry import PIPELINES, Pipeline

REQUESTS = "1200/minute"
"""Of one caller, of whatever kind."""
UNKNOWN = "60/minute"
"""Refused keys from one address; beyond, they are not audited either: the disk is not theirs."""
WRONG_KEY = "key: missing or not valid; expected one of `seqloom keys make` as the bearer"

bearer = HTTPBearer(auto_error=False, description="A key of `seqloom keys make`")


class Rates:
    """Moving windows of this process; a restart begins them anew."""

    def __init__(self) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def take(self, rate: str, *of: str) -> None:
        """Count one more.

        Raises:
            RefusedError: 429, with the time after which there is room again.
        """
        limit = limits.parse(rate)
        if not self._windows.hit(limit, *of):
            wait = self._windows.get_window_stats(limit, *of).reset_time - time.time()
            told = f"too many: {rate} of {of[0]}; expected fewer"
            raise RefusedError(429, told, retry_after_s=max(1, math.ceil(wait)))


def caller(
    request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Key:
    """The key that a request shows.

    Raises:
        RefusedError: 401 where it shows none that is valid, 429 where it comes too often.
    """
    gateway, note = request.app.state.gateway, request.state.note
    given = request.headers.getlist("authorization")
    scheme, _blank, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    try:
        key: Key | None = gateway.keys.shown(text if scheme.lower() == "bearer" else "")
    except InputError as error:
        raise RefusedError(503, str(error), retry_after_s=60) from None
    if key is None:
        address = request.client.host if request.client else "unknown"
        note.kept = False
        gateway.rates.take(UNKNOWN, "refused keys", address)
        note.kept = True
        raise RefusedError(401, WRONG_KEY)
    note.caller, note.key = key.caller, key.key
    gateway.rates.take(REQUESTS, "requests", key.caller)
    return key


def allowed(key: Key, name: str) -> Pipeline:
    """The pipeline of that name.

    Raises:
        RefusedError: 403, also where there is none of that name at all.
    """
    if name not in key.rates or name not in PIPELINES:
        offered = ", ".join(one for one in PIPELINES if one in key.rates) or "another key"
        raise RefusedError(403, f"pipeline: not one of this key's; expected {offered}")
    return PIPELINES[name]
