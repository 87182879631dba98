from pathlib import Path

import pytest

from blocks.errors import InputError
from blocks.settings import settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("STORAGE", "RESULTS", "DATABASE"):
        monkeypatch.delenv(f"SEQLOOM_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_without_variables_everything_lies_in_the_working_directory(tmp_path: Path) -> None:
    found = settings()

    assert found.storage == str(tmp_path / ".seqloom/storage")
    assert found.results == str(tmp_path / "results")
    assert found.database == f"sqlite:///{tmp_path}/.seqloom/seqloom.db"


def test_the_database_lies_in_an_explicit_local_storage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQLOOM_STORAGE", "elsewhere")

    assert settings().storage == str(tmp_path / "elsewhere")
    assert settings().database == f"sqlite:///{tmp_path}/elsewhere/seqloom.db"


def test_a_remote_storage_leaves_the_database_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQLOOM_STORAGE", "s3://bucket/prefix/")

    assert settings().storage == "s3://bucket/prefix"
    assert settings().database == f"sqlite:///{tmp_path}/.seqloom/seqloom.db"


def test_an_explicit_database_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEQLOOM_STORAGE", "elsewhere")
    monkeypatch.setenv("SEQLOOM_DATABASE", "postgresql://me:p%40ss@db.example/runs")

    assert settings().database == "postgresql+pg8000://me:p%40ss@db.example/runs"


def test_an_empty_variable_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQLOOM_DATABASE", "")

    assert settings().database == f"sqlite:///{tmp_path}/.seqloom/seqloom.db"


def test_the_environment_is_read_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings()
    monkeypatch.setenv("SEQLOOM_RESULTS", "s3://bucket/results")

    assert before.results != settings().results == "s3://bucket/results"


def test_settings_do_not_print_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQLOOM_DATABASE", "postgresql://me:hunter2@db.example/runs")

    assert "hunter2" not in f"{settings()!r} {settings()}"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STORAGE", "ftp://me:hunter2@host/x", "expected a folder or s3://bucket"),
        ("STORAGE", "s3://", "expected s3://bucket/prefix"),
        ("RESULTS", "http://host/x", "expected a folder or s3://bucket"),
        ("DATABASE", "mysql://me:hunter2@host/x", "'mysql' is not supported"),
        ("DATABASE", "postgresql+asyncpg://me:hunter2@host/x", "is not supported; expected sqlite"),
        ("DATABASE", "hunter2", "not a database URL; expected sqlite:///"),
        ("DATABASE", "postgresql://me:hunter2@host:port/x", "not a database URL"),
        ("DATABASE", "postgresql://me:hunter2@host", "names no database or no user"),
        ("DATABASE", "sqlite://", "expected sqlite:///file.db"),
    ],
)
def test_a_bad_value_is_one_line_without_the_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"SEQLOOM_{name}", value)

    with pytest.raises(InputError) as caught:
        settings()

    message = str(caught.value)
    assert message.startswith(f"SEQLOOM_{name}: ")
    assert said in message
    assert "\n" not in message
    assert "hunter2" not in message
