"""`seqloom keys`, `seqloom audit` and `seqloom gateway`: what they print, and their exit status."""

import json
import socket
from pathlib import Path

import pytest

from blocks.access_keys import AccessKeys
from blocks.audit import Audit
from deployments import cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys and audit of one test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_GATEWAY", str(tmp_path / "gateway"))
    return tmp_path / "gateway"


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    shown = capsys.readouterr()
    return status, shown.out, shown.err


def test_a_key_is_made_shown_once_listed_and_revoked(
    capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    status, shown, told = said(
        capsys, "keys", "make", "alice", "design=3/minute", "graphs=9/hour", "--days", "30"
    )
    key = AccessKeys(folder).shown(shown.strip())
    listed = said(capsys, "keys", "list")[1]
    as_json = said(capsys, "keys", "list", "--json")[1]

    assert status == 0
    assert key is not None
    assert told == f"key {key.key} of alice; it is not shown again:\n"
    assert listed.splitlines()[1].split()[:4] == [key.key, "alice", "design=3/minute,", "graphs=9/hour"]  # fmt: skip  # noqa: E501
    assert json.loads(as_json)[0]["rates"] == key.rates
    assert shown.strip().split("_", 2)[2] not in listed + as_json
    assert key.digest not in listed + as_json
    assert said(capsys, "keys", "revoke", key.key)[1].endswith("is refused from now on\n")
    assert AccessKeys(folder).shown(shown.strip()) is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["keys", "make", "Alice", "design=3/minute"], "caller 'Alice': expected a-z, 0-9 and -"),
        (["keys", "make", "alice", "design"], "right 'design': expected each pipeline once"),
        (["keys", "make", "alice", "dsign=3/minute"], "pipeline 'dsign': not known; expected one"),
        (["keys", "make", "alice", "design=3/week"], "rate of design: '3/week'; expected one such"),
        (["keys", "make", "alice", "design=1/hour", "design=2/hour"], "right 'design=2/hour'"),
        (["keys", "make", "alice", "design=1/hour", "--place", "mine"], "place 'mine': expected"),
        (["keys", "make", "alice", "design=1/hour", "--place", "/"], "place '/': expected an"),
        (["keys", "revoke", "x"], "key 'x': not known; expected an id of `seqloom keys list`"),
        (["gateway", "--tls-key", "x"], "--tls-certificate and --tls-key: expected both, or none"),
        (["gateway", "--port", "70000"], 'Invalid value "70000" for --port. Must be <= 65535'),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_what_is_wrong_is_told_on_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    status, out, told = said(capsys, *arguments)

    assert (status, out) == (2, "")
    assert told.startswith(line)
    assert told.count("\n") == 1


def test_the_audit_is_shown_and_verified(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    for caller in ("alice", "bob", "alice"):
        Audit(folder).append({"caller": caller, "asked": "GET /v1/runs", "outcome": 200})

    shown = said(capsys, "audit", "show", "--caller", "alice", "--limit", "1")[1]
    verified = said(capsys, "audit", "verify")
    path = folder / "audit.jsonl"
    path.write_text(path.read_text().replace("bob", "eve"))
    broken = said(capsys, "audit", "verify")

    assert [line.split()[0] for line in shown.splitlines()] == ["line", "3"]
    assert verified[0] == 0
    assert verified[1].startswith("3 lines, none changed, none missing; digest ")
    assert broken == (
        1, "", f"{path}, line 2: is not what was written: its digest differs\n"
    )  # fmt: skip
    assert said(capsys, "audit", "show")[0] == 1


@pytest.mark.parametrize("address", [None, "http://127.0.0.1:1/api"], ids=["no server", "a server"])
def test_the_gateway_says_what_it_lacks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """A Prefect server to speak to, or a port that is free."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        temporary_settings(updates={PREFECT_API_URL: address} if address else None,
                           restore_defaults=None if address else {PREFECT_API_URL}),
    ):  # fmt: skip
        port = taken.getsockname()[1]
        status, _, told = said(capsys, "gateway", "--port", str(port))

    assert status == 2
    assert told.startswith(
        f"127.0.0.1:{port}: cannot be taken" if address else "no Prefect server: expected"
    )
