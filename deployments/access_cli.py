"""`seqloom gateway`, and what belongs to it: keys of callers, and the audit.

seqloom gateway                               serve HTTP until Ctrl-C
seqloom keys make alice design=3/minute       make a key; it is shown once
seqloom keys list                             keys, without what is secret
seqloom keys revoke KEY                       refuse one from now on
seqloom audit show                            who asked for what, and what came of it
seqloom audit verify                          whether the audit is what was written
"""

import json
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from cyclopts.validators import Number

from blocks.errors import InputError
from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put, table, tell

PORT = 4280
SHOWN_LETTERS = 60

keys_app = App(name="keys", help="Keys of the gateway's callers.")
audit_app = App(name="audit", help="What callers of the gateway asked for.")


def gateway(
    *,
    host: Annotated[str, Parameter(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65_535), help="0: any")] = PORT,
    tls_certificate: Annotated[Path | None, Parameter(help="PEM; needs --tls-key")] = None,
    tls_key: Annotated[Path | None, Parameter(help="PEM")] = None,
) -> int:
    """Start runs over HTTP: serve until Ctrl-C. Keys are made with `seqloom keys make`."""
    for name, path in (("--tls-certificate", tls_certificate), ("--tls-key", tls_key)):
        if (tls_certificate is None) != (tls_key is None):
            raise InputError("--tls-certificate and --tls-key: expected both, or none of them")
        if path is not None and not path.is_file():
            raise InputError(f"{name} {path}: no such file; expected PEM")
    prepare_environment()
    from deployments.gateway.server import serve

    serve(host, port, tls_certificate, tls_key, lambda url: put(f"gateway   {url}"))
    return 0


@keys_app.command
def make(
    caller: Annotated[str, Parameter(help="whose it is: a-z, 0-9 and -")],
    rights: Annotated[
        list[str], Parameter(help="pipelines that it may start, how often: design=3/minute")
    ],
    /,
    *,
    place: Annotated[
        tuple[str, ...],
        Parameter(help="folder or URI that parameters may name, apart from SEQLOOM_DATA"),
    ] = (),
    days: Annotated[
        int | None, Parameter(validator=Number(gte=1, lte=36_500), help="how long it is valid")
    ] = None,
) -> int:
    """Make a key. It is printed now and never again; of its secret only the SHA-256 is kept."""
    from blocks.access_keys import AccessKeys

    made, shown = AccessKeys().make(caller, _rates(rights), _places(place), days)
    tell(f"key {made.key} of {made.caller}; it is not shown again:")
    put(shown)
    return 0


@keys_app.command(name="list")
def list_keys(*, as_json: AsJson = False) -> int:
    """List all keys."""
    from blocks.access_keys import AccessKeys

    keys = AccessKeys().all()
    if as_json:
        put(json.dumps([one.model_dump(mode="json", exclude={"digest"}) for one in keys], indent=2))
        return 0
    rows = [
        {
            "key": one.key,
            "caller": one.caller,
            "may start": ", ".join(f"{name}={rate}" for name, rate in one.rates.items()),
            "made (UTC)": _day(one.made_at),
            "until": _day(one.expires_at) or "-",
            "revoked": _day(one.revoked_at) or "-",
        }
        for one in keys
    ]
    put(table(rows) if rows else "no keys yet")
    return 0


@keys_app.command
def revoke(key: Annotated[str, Parameter(help="its id, of `seqloom keys list`")], /) -> int:
    """Refuse a key from now on; the gateway need not be started again."""
    from blocks.access_keys import AccessKeys

    gone = AccessKeys().revoke(key)
    put(f"key {gone.key} of {gone.caller} is refused from now on")
    return 0


@audit_app.command
def show(
    *,
    caller: Annotated[str | None, Parameter(help="only this one's")] = None,
    limit: Annotated[
        int, Parameter(validator=Number(gte=1), help="most lines, the last ones")
    ] = 20,
    as_json: AsJson = False,
) -> int:
    """Show the last lines."""
    from blocks.audit import Audit

    wanted = (one for one in Audit().records() if caller in (None, one.get("caller")))
    found = list(deque(wanted, maxlen=limit))
    if as_json:
        put(json.dumps(found, indent=2))
        return 0
    put(table([_shown(one) for one in found]) if found else "nothing yet")
    return 0


@audit_app.command
def verify(
    *,
    expect: Annotated[str | None, Parameter(help="digest that was told earlier")] = None,
) -> int:
    """Check the chain of all lines; exit status 1 and the first line that is broken."""
    from blocks.audit import Audit

    chain = Audit().verify(expect)
    put(f"{chain.lines} lines, none changed, none missing; digest {chain.digest}")
    return 0


def _rates(rights: Sequence[str]) -> dict[str, str]:
    from flows.registry import pipeline

    found: dict[str, str] = {}
    for right in rights:
        name, sign, rate = right.partition("=")
        if not sign or name in found:
            raise InputError(f"right {right!r}: expected each pipeline once, as in design=3/minute")
        found[pipeline(name).name] = rate
    return found


def _places(places: Sequence[str]) -> list[str]:
    for place in places:
        if not (place.startswith("/") or "://" in place) or ".." in place or place.strip("/") == "":
            told = "expected an absolute folder or a URI, such as s3://bucket/alice"
            raise InputError(f"place {place!r}: {told}")
    return list(places)


def _shown(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        "line": str(record["line"]),
        "at (UTC)": str(record["at"])[:19].replace("T", " "),
        "caller": str(record.get("caller") or "-"),
        "asked": str(record.get("asked", ""))[:SHOWN_LETTERS],
        "outcome": str(record.get("outcome", "")),
        "run": str(record.get("run", "-"))[:8],
        "errors": "; ".join(record.get("errors", ()))[:SHOWN_LETTERS],
    }


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
