"""Keys: what is kept of them, who may show them, several processes at once."""

import concurrent.futures
import hmac
from pathlib import Path

import pytest

from blocks.access_keys import AccessKeys
from blocks.errors import InputError

RATES = {"design": "3/minute"}


def test_a_key_is_known_when_it_is_shown_and_only_its_digest_is_kept(tmp_path: Path) -> None:
    keys = AccessKeys(tmp_path / "gateway")

    made, shown = keys.make("alice", RATES)
    kept = (tmp_path / "gateway" / "keys.json").read_text()

    assert keys.shown(shown) == made
    assert AccessKeys(tmp_path / "gateway").shown(shown) == made
    assert shown.split("_", 2)[2] not in kept
    assert made.digest in kept
    assert (tmp_path / "gateway" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "gateway").stat().st_mode & 0o777 == 0o700


def test_what_is_no_key_or_no_longer_one_is_nobodys(tmp_path: Path) -> None:
    keys = AccessKeys(tmp_path)
    made, shown = keys.make("alice", RATES)
    other, others = keys.make("bob", RATES)
    wrong = f"seqloom_{made.key}_{others.split('_', 2)[2]}"

    for text in ("", shown[:-1], f"{shown}x", f" {shown}", wrong, shown.upper(), "é" * 64):
        assert keys.shown(text) is None
    keys.revoke(made.key)

    assert AccessKeys(tmp_path).shown(shown) is None
    assert keys.shown(shown) is None
    assert keys.shown(others) == other
    assert keys.revoke(made.key).revoked_at == keys.all()[0].revoked_at


def test_a_key_expires(tmp_path: Path) -> None:
    keys = AccessKeys(tmp_path)
    made, shown = keys.make("alice", RATES, days=1)

    assert keys.shown(shown) is not None
    assert made.expires_at is not None
    assert not made.valid(made.expires_at)


def test_keys_that_are_not_known_are_compared_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the time of an answer does not tell which ids there are."""
    keys = AccessKeys(tmp_path)
    made, _ = keys.make("alice", RATES)
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(
        "hmac.compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b)
    )

    for key in (made.key, "0" * 12):
        keys.shown(f"seqloom_{key}_{'A' * 43}")

    assert compared == [(64, 64), (64, 64)]


@pytest.mark.parametrize(
    ("caller", "rates", "line"),
    [
        ("Alice", RATES, "caller 'Alice': expected a-z, 0-9 and -, a letter first, 40 at most"),
        ("a:b", RATES, "caller 'a:b': expected a-z"),
        ("a\n", RATES, "caller 'a\\n': expected a-z"),
        ("alice", {"design": "3/fortnight"}, "rate of design: '3/fortnight'; expected one such as"),
        ("alice", {"design": "0/minute"}, "rate of design: '0/minute'; expected one such as"),
        ("alice", {"design": "3/minute;9/hour"}, "rate of design: '3/minute;9/hour'; expected"),
    ],
)
def test_a_name_or_rate_that_cannot_be_used_is_told(
    tmp_path: Path, caller: str, rates: dict[str, str], line: str
) -> None:
    with pytest.raises(InputError) as told:
        AccessKeys(tmp_path).make(caller, rates)

    assert str(told.value).startswith(line)
    assert AccessKeys(tmp_path).all() == ()


def test_no_key_is_lost_when_several_make_them_at_once(tmp_path: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(lambda n: AccessKeys(tmp_path).make(f"c{n}", RATES)[1], range(24)))

    keys = AccessKeys(tmp_path)
    assert {keys.shown(one).caller for one in shown} == {f"c{n}" for n in range(24)}


def test_a_damaged_file_lets_nobody_in(tmp_path: Path) -> None:
    keys = AccessKeys(tmp_path)
    _, shown = keys.make("alice", RATES)
    (tmp_path / "keys.json").write_text("[{}]")

    with pytest.raises(InputError, match=r"keys.json: damaged; expected what `seqloom keys` wrote"):
        keys.shown(shown)
