"""What is wrong with a database, in one line and without its password."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from blocks.errors import InputError, SeqloomError, ServiceError


def shown(url: URL) -> str:
    """The URL without its password, for messages."""
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def one_line_errors(url: URL) -> Iterator[None]:
    """Turn what the caller or the machine can change into errors of ours.

    Raises:
        InputError: The login, the file or the name of the database is wrong.
        ServiceError: The database does not answer, or is held by others for too long.
    """
    try:
        yield
    except DBAPIError as error:
        ours = _translated(error, url)
        if ours is None:
            raise  # a statement is wrong: our mistake, with everything that helps to find it
    except ConnectionError as error:  # of a connection that is tried out: SQLAlchemy passes it on
        ours = ServiceError(f"database {shown(url)}", error.strerror or "the connection broke")
    else:
        return
    raise ours  # outside of the handler: the statement and its values stay out of logs


def _translated(error: DBAPIError, url: URL) -> SeqloomError | None:
    """Our error for what the caller or the machine can change; None for a wrong statement."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return _sqlite_error(original, f"database {shown(url)}")
    fields = original.args[0] if original is not None and original.args else ""
    return _postgresql_error(fields, f"database {shown(url)}")


def _sqlite_error(error: sqlite3.Error, where: str) -> SeqloomError | None:
    code = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").split("_")[0]
    if code in {"BUSY", "LOCKED", "FULL", "IOERR", "PROTOCOL"}:
        return ServiceError(where, str(error))
    if code in {"CANTOPEN", "READONLY", "NOTADB", "CORRUPT", "PERM"}:
        return InputError(f"{where}: {error}; expected an SQLite file that can be written")
    return None


def _postgresql_error(fields: object, where: str) -> SeqloomError | None:
    if not isinstance(fields, dict):  # the driver's own: no answer from the server
        return ServiceError(where, " ".join(str(fields).split()) or "the connection broke")
    code, reason = str(fields.get("C", "")), " ".join(str(fields.get("M", "")).split())
    if code[:2] in {"08", "40", "53", "57", "58"}:
        return ServiceError(where, reason)
    if code[:2] in {"28", "3D"} or code in {"42501", "25006"}:
        return InputError(f"{where}: {reason}; expected a login that may use this database")
    return None
