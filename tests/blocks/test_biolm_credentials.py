"""Credentials come from where they should and go nowhere else."""

import pytest
from pydantic import SecretStr

from blocks.biolm_calls import Connection
from blocks.biolm_credentials import checked, environment_connection
from blocks.errors import InputError


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    for name in ("BIOLM_BASE_API_URL", "BIOLM_TOKEN", "BIOLMAI_TOKEN", "BIOLM_TOKEN_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def log_in(home, folder=".biolm", text='{"access": "a1", "refresh": "r1"}'):
    (home / folder).mkdir()
    (home / folder / "credentials").write_text(text)


def test_the_hosted_service_is_asked_with_the_token(monkeypatch):
    monkeypatch.setenv("BIOLM_TOKEN", " t0ken\n")

    connection = environment_connection()

    assert (connection.base_url, connection.dialect) == ("https://biolm.ai/api/v3", "v3")
    assert connection.token.get_secret_value() == "t0ken"


def test_the_first_token_variable_wins(monkeypatch):
    monkeypatch.setenv("BIOLM_TOKEN", "first")
    monkeypatch.setenv("BIOLMAI_TOKEN", "second")

    assert environment_connection().token.get_secret_value() == "first"


@pytest.mark.parametrize("url", ["http://localhost:8000/api/v1", "http://localhost:8000/api/v1/"])
def test_the_path_tells_the_hub(monkeypatch, url):
    monkeypatch.setenv("BIOLM_BASE_API_URL", url)

    connection = environment_connection()

    assert connection.dialect == "hub"
    assert connection.base_url == "http://localhost:8000/api/v1"
    assert connection.token is None


@pytest.mark.parametrize("folder", [".biolm", ".biolmai"])
def test_a_log_in_becomes_a_cookie(home, folder):
    log_in(home, folder)

    assert environment_connection().cookie.get_secret_value() == "access=a1;refresh=r1"


@pytest.mark.parametrize(
    "url", ["https://example.org/api/v3", "https://evilbiolm.ai/api/v3", "https://biolm.ai.x.org"]
)
def test_a_log_in_goes_to_nobody_else(monkeypatch, home, url):
    log_in(home)
    monkeypatch.setenv("BIOLM_BASE_API_URL", url)

    assert environment_connection().cookie is None


def test_a_token_goes_to_another_host_only_if_it_is_meant_for_it(monkeypatch):
    monkeypatch.setenv("BIOLM_TOKEN", "t0ken")
    monkeypatch.setenv("BIOLM_BASE_API_URL", "https://models.example.org/api/v3")
    assert environment_connection().token is None

    monkeypatch.setenv("BIOLM_TOKEN_HOST", "Models.example.org")
    assert environment_connection().token.get_secret_value() == "t0ken"

    monkeypatch.setenv("BIOLM_BASE_API_URL", "http://127.0.0.1:8000/api/v1")
    assert environment_connection().token is None


def test_a_broken_log_in_is_named_and_not_shown(home):
    log_in(home, text='{"access": s3cret')

    with pytest.raises(InputError, match=r"^~/\.biolm/credentials: cannot be read") as error:
        environment_connection()
    assert "s3cret" not in str(error.value)


def test_no_token_says_what_to_set():
    with pytest.raises(InputError, match=r"no token; expected BIOLM_TOKEN, or a BioLM block"):
        environment_connection()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x.org/api/v3", "no http"),
        ("biolm.ai/api/v3", "no http"),
        ("https://", "no http"),
        ("https://x.org:abc/", "not a URL"),
        ("https://me:s3cret@x.org/api/v3", "a login in the URL"),
        ("https://x.org/api/v3?key=s3cret", "query"),
        ("http://x.org/api/v3", "plain http"),
        ("http://127.0.0.1.x.org/api/v3", "plain http"),
    ],
)
def test_where_no_token_may_go(url, message):
    with pytest.raises(InputError, match=message) as error:
        checked(Connection(url, token=SecretStr("t0ken")))
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "[::1]:1", "localhost", "127.9.9.9"])
def test_loopback_may_have_a_token_over_http(host):
    connection = Connection(f"http://{host}/api/v3", token=SecretStr("t0ken"))

    assert checked(connection) is connection


@pytest.mark.parametrize("token", ["s3cret\nX-Evil: 1", "s3cret\x00", "s3crét", ""])
def test_a_token_that_no_header_takes_is_refused_and_not_shown(token):
    with pytest.raises(InputError, match="BioLM token") as error:
        checked(Connection("https://x.org/api/v3", token=SecretStr(token)))
    assert "s3c" not in str(error.value)


def test_a_hub_elsewhere_needs_no_token():
    assert checked(Connection("http://hub.lan:8000/api/v1", dialect="hub")).token is None
