"""Where BioLM is and who asks, as the environment says; and what must not be sent where."""

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import orjson
from pydantic import SecretStr

from blocks.biolm_calls import Connection, Dialect
from blocks.errors import InputError
from blocks.services import is_loopback

HOSTED = "https://biolm.ai/api/v3"
URL_VARIABLE = "BIOLM_BASE_API_URL"
TOKEN_VARIABLES = ("BIOLM_TOKEN", "BIOLMAI_TOKEN")
HOST_VARIABLE = "BIOLM_TOKEN_HOST"
"""Names the host that the token is meant for, where that is not biolm.ai."""
CREDENTIALS_FILES = ("~/.biolm/credentials", "~/.biolmai/credentials")
_HOST = "biolm.ai"


def environment_connection() -> Connection:
    """The service and the credentials that the environment names, checked.

    A token is for biolm.ai, whatever address the environment gives, unless it names another host.

    Raises:
        InputError: The URL is none, a token is missing or cannot be sent there.
    """
    base_url = os.environ.get(URL_VARIABLE, "").strip().rstrip("/") or HOSTED
    host = _host(base_url)
    token = cookie = None
    if _is_biolm(host) or host == os.environ.get(HOST_VARIABLE, "").strip().lower():
        given = (os.environ.get(name, "").strip() for name in TOKEN_VARIABLES)
        token = next(filter(None, given), None)
    if token is None and _is_biolm(host):
        cookie = next(filter(None, map(_cookie, CREDENTIALS_FILES)), None)
    return checked(
        Connection(
            base_url=base_url,
            dialect=dialect_of(base_url),
            token=SecretStr(token) if token else None,
            cookie=SecretStr(cookie) if cookie else None,
        )
    )


def dialect_of(base_url: str) -> Dialect:
    """`hub` for a path that ends with `/api/v1`, else `v3`."""
    return "hub" if base_url.rstrip("/").endswith("/api/v1") else "v3"


def checked(connection: Connection) -> Connection:
    """The same connection, if it may be used.

    Raises:
        InputError: Not an http(s) URL, a password in it, credentials that anybody could read on
            the way, or none where they are needed.
    """
    url = _split(connection.base_url)
    host = url.hostname or ""
    for what, secret in (("token", connection.token), ("cookie", connection.cookie)):
        if secret is None:
            continue
        value = secret.get_secret_value()
        if not (value and value.isascii() and value.isprintable()):
            raise InputError(f"BioLM {what}: holds nothing, or what no header takes; expected text")
        if url.scheme == "http" and not is_loopback(host):
            raise InputError(f"{host}: a {what} over plain http; expected https://")
    if connection.token is None and connection.cookie is None and _is_biolm(host):
        raise InputError(
            f"{host}: no token; expected {TOKEN_VARIABLES[0]}, or a BioLM block with one"
        )
    return connection


def _split(base_url: str) -> SplitResult:
    expected = f"expected such as {HOSTED}"
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError:
        raise InputError(f"BioLM: not a URL; {expected}") from None
    if url.username is not None or url.password is not None:
        raise InputError("BioLM: a login in the URL; expected none, and a token instead")
    clean = base_url.isascii() and base_url.isprintable() and " " not in base_url
    if url.scheme not in {"http", "https"} or not url.hostname or port == 0 or not clean:
        raise InputError(f"BioLM: {base_url[:100]!r} is no http(s) URL; {expected}")
    if url.query or url.fragment:
        raise InputError(f"BioLM: {url.hostname}: the URL has a query; {expected}")
    return url


def _host(base_url: str) -> str:
    return _split(base_url).hostname or ""


def _is_biolm(host: str) -> bool:
    plain = re.fullmatch(r"[a-z0-9.-]+", host) is not None
    return plain and (host == _HOST or host.endswith(f".{_HOST}"))


def _cookie(file: str) -> str | None:
    """The log-in that BioLM's own client has left in a file; None if there is none.

    Raises:
        InputError: The file holds something else; what it holds is not shown.
    """
    path = Path(file).expanduser()
    try:
        held = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError):
        held = None
    names = ("access", "refresh")
    if not (isinstance(held, dict) and isinstance(held.get("access"), str)):
        expected = f"JSON with {' and '.join(names)}, or {TOKEN_VARIABLES[0]} set"
        raise InputError(f"{file}: cannot be read as a log-in; expected {expected}")
    return ";".join(f"{name}={held[name]}" for name in names if isinstance(held.get(name), str))
