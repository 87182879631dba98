"""Keys that callers of the gateway show: whose they are, what they may start, and how often.

A key is `seqloom_<id>_<secret>`; the secret is 32 random bytes, so its SHA-256 is kept and no slow
hash is needed. The file (0600) lies apart from the database on purpose: every worker has the
database's login, and what runs a pipeline must not be able to give itself rights. It is replaced
as a whole, and read again whenever it has changed, so that a revoked key is refused at once.
"""

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from blocks.errors import InputError
from blocks.settings import settings

CALLER = re.compile(r"[a-z][a-z0-9-]{0,39}")
RATE = re.compile(r"[1-9][0-9]{0,8}/(second|minute|hour|day)")
_SHOWN = re.compile(r"seqloom_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NOBODY = "0" * 64
"""What the secret of an unknown key is compared with, so that it takes as long."""


class Key(BaseModel, frozen=True, extra="forbid"):
    """A key without its secret."""

    key: str
    """Its id, which is no secret."""
    caller: str
    """Who shows it; several keys may be of one caller."""
    digest: str
    """SHA-256 of the secret, in hex."""
    rates: dict[str, str]
    """Pipelines that it may start, with how often: `3/minute`."""
    places: tuple[str, ...] = ()
    """Folders and URIs, apart from the folder of data, that parameters may name."""
    made_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Whether it may still be shown."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


_KEYS = TypeAdapter(tuple[Key, ...])


class AccessKeys:
    """The keys of one folder; None: the one of the settings. For any threads and processes."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(settings().gateway)
        self._path = self._folder / "keys.json"
        self._read: tuple[tuple[int, int, int], tuple[Key, ...]] | None = None

    def all(self) -> tuple[Key, ...]:
        """All keys, revoked ones too, in the order in which they were made.

        Raises:
            InputError: The file cannot be read, or is no file of keys.
        """
        try:
            found = self._path.stat()
            version = (found.st_ino, found.st_mtime_ns, found.st_size)
            if self._read is None or self._read[0] != version:
                self._read = (version, _KEYS.validate_json(self._path.read_bytes()))
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read ({error.strerror})") from None
        except ValidationError:
            raise InputError(f"{self._path}: damaged; expected what `seqloom keys` wrote") from None
        return self._read[1]

    def make(
        self,
        caller: str,
        rates: Mapping[str, str],
        places: Sequence[str] = (),
        days: int | None = None,
    ) -> tuple[Key, str]:
        """A new key, and what its holder shows, which is kept nowhere.

        Args:
            rates: Of each pipeline that it may start, such as `3/minute`.
            days: How long it is valid; None: until it is revoked.

        Raises:
            InputError: The caller's name or a rate cannot be used, or the file cannot be written.
        """
        if not CALLER.fullmatch(caller):
            raise InputError(
                f"caller {caller!r}: expected a-z, 0-9 and -, a letter first, 40 at most"
            )
        for pipeline, rate in rates.items():
            if not RATE.fullmatch(rate):
                raise InputError(f"rate of {pipeline}: {rate!r}; expected one such as 3/minute")
        now = datetime.now(UTC)
        key, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        made = Key(
            key=key,
            caller=caller,
            digest=_digest(secret),
            rates=dict(rates),
            places=tuple(places),
            made_at=now,
            expires_at=None if days is None else now + timedelta(days=days),
        )
        with self._changing():
            self._write((*self.all(), made))
        return made, f"seqloom_{key}_{secret}"

    def revoke(self, key: str) -> Key:
        """Let a key be refused from now on; one that was revoked before stays as it is.

        Raises:
            InputError: There is none of that id.
        """
        with self._changing():
            kept = self.all()
            found = next((one for one in kept if one.key == key), None)
            if found is None:
                raise InputError(f"key {key!r}: not known; expected an id of `seqloom keys list`")
            gone = found.model_copy(update={"revoked_at": found.revoked_at or datetime.now(UTC)})
            self._write(tuple(gone if one is found else one for one in kept))
        return gone

    def shown(self, text: str) -> Key | None:
        """The key that somebody shows; None where it is none, or none any more."""
        parts = _SHOWN.fullmatch(text)
        key, secret = parts.groups() if parts else ("", "")
        found = next((one for one in self.all() if one.key == key), None)
        same = hmac.compare_digest(_digest(secret), found.digest if found else _NOBODY)
        return found if found and same and found.valid(datetime.now(UTC)) else None

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time reads the file and replaces it."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._folder / "keys.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)
        except OSError as error:
            raise InputError(
                f"{self._folder}: {error.strerror}; expected a folder to keep keys in"
            ) from None

    def _write(self, keys: tuple[Key, ...]) -> None:
        beside = self._path.with_name(f".keys.{os.getpid()}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_KEYS.dump_json(keys, indent=1))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
