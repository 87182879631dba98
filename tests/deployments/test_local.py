"""The server that `make serve` and the demo start."""

import httpx
import pytest

pytestmark = pytest.mark.engine


def test_the_pages_of_the_ui_ask_their_own_server(prefect_server):
    settings = httpx.get(f"{prefect_server.url}/ui-settings").json()

    assert settings["api_url"] == prefect_server.api
