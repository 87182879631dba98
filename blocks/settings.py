"""Where this installation keeps things, read from the environment (`SEQLOOM_…`).

The environment is read at each call, so that a worker, a test and a shell can each say where
they want their files, and nothing has to be reset in between.
"""

import re
from pathlib import Path

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from blocks.errors import InputError

PREFIX = "SEQLOOM_"
FOLDER = ".seqloom"
DATABASE_FILE = "seqloom.db"
POSTGRESQL_DRIVER = "postgresql+pg8000"
_EXPECTED_DATABASE = "sqlite:///folder/file.db or postgresql://user:password@host:5432/name"
_S3 = re.compile(r"s3://[^/\s]+(/.*)?")


class Settings(BaseSettings):
    """The settings of one installation; folders are absolute."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid"
    )

    storage: str = Field(
        f"{FOLDER}/storage",
        validate_default=True,
        title="Storage",
        description="Root of stored objects: a folder, or s3://bucket/prefix.",
    )
    results: str = Field(
        "results",
        validate_default=True,
        title="Results",
        description="Where a run's tables and report are put for people: a folder, or s3://….",
    )
    data: str = Field(
        ".",
        validate_default=True,
        title="Data",
        description="Folder, or s3://…, against which relative paths of inputs are resolved.",
    )
    database: str = Field(
        f"sqlite:///{FOLDER}/{DATABASE_FILE}",
        validate_default=True,
        repr=False,  # may hold a password
        title="Database",
        description="Run ledger and prediction store: an SQLite file, or a PostgreSQL server.",
    )

    gateway: str = Field(
        f"{FOLDER}/gateway",
        validate_default=True,
        title="Gateway",
        description="Local folder of the gateway's keys and of its audit.",
    )

    @model_validator(mode="before")
    @classmethod
    def _database_beside_storage(cls, given: dict[str, object]) -> dict[str, object]:
        storage = given.get("storage")
        if not isinstance(storage, str) or "database" in given:
            return given
        root = storage_root(storage)
        return given if root.startswith("s3://") else {**given, "database": _sqlite_url(root)}

    @field_validator("storage", "results", "data")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return storage_root(value)

    @field_validator("gateway")
    @classmethod
    def _local(cls, value: str) -> str:
        root = storage_root(value)
        if root.startswith("s3://"):
            raise ValueError(f"{root!r} is no local folder; expected one")
        return root

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: str) -> str:
        return database_url(value).render_as_string(hide_password=False)


def settings() -> Settings:
    """The settings that the environment asks for now.

    Raises:
        InputError: A variable holds something that cannot be used.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [_line(problem["loc"], problem["msg"]) for problem in error.errors()]
    raise InputError("; ".join(lines))  # outside of the handler: pydantic's text shows the values


def storage_root(value: str) -> str:
    """An absolute folder, or `s3://bucket/prefix` without a slash at the end."""
    if value.startswith("s3://"):
        if not _S3.fullmatch(value):
            raise ValueError(f"{value!r} names no bucket; expected s3://bucket/prefix")
        return value.rstrip("/")
    path = value.removeprefix("file://")
    if "://" in path or "\0" in path or not path.strip():
        raise ValueError(f"{_without_login(value)!r} is no place; expected a folder or s3://bucket")
    return str(Path(path).expanduser().absolute())


def database_url(value: str) -> URL:
    """The URL with its driver; an SQLite file is absolute.

    Raises:
        ValueError: Neither an SQLite file nor a PostgreSQL server; the text shows no password.
    """
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):  # ValueError: the port is no number
        raise ValueError(f"not a database URL; expected {_EXPECTED_DATABASE}") from None
    if url.drivername in {"sqlite", "sqlite+pysqlite"}:
        if url.database in {None, "", ":memory:"} or str(url.database).startswith("file:"):
            raise ValueError(
                "SQLite in memory cannot be shared between processes; expected sqlite:///file.db"
            )
        return url.set(
            drivername="sqlite", database=str(Path(str(url.database)).expanduser().absolute())
        )
    if url.drivername in {"postgresql", "postgres", POSTGRESQL_DRIVER}:
        if not (url.database and url.username):
            raise ValueError(f"names no database or no user; expected {_EXPECTED_DATABASE}")
        return url.set(drivername=POSTGRESQL_DRIVER)
    raise ValueError(f"{url.drivername!r} is not supported; expected {_EXPECTED_DATABASE}")


def _sqlite_url(folder: str) -> str:
    path = str(Path(folder) / DATABASE_FILE)
    return URL.create("sqlite", database=path).render_as_string(hide_password=False)


def _without_login(value: str) -> str:
    return re.sub(r"://[^/]*@", "://***@", value)


def _line(place: tuple[int | str, ...], message: str) -> str:
    # A problem found before the fields were looked at has no place: only the storage is then read.
    field = str(place[0] if place else "storage").upper()
    return f"{PREFIX}{field}: {message.removeprefix('Value error, ')}"
