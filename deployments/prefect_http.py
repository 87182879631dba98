"""A plain HTTP client of Prefect's API, with the login that Prefect itself would use."""

import base64

import httpx


def api_url() -> str | None:
    """Where the API is, if a setting says so."""
    from prefect.settings import get_current_settings

    return get_current_settings().api.url


def client(url: str, timeout_s: float) -> httpx.Client:
    """Speaks to the Prefect server of that API's address."""
    from prefect.settings import get_current_settings

    api, headers = get_current_settings().api, {}
    if api.auth_string is not None:
        login = base64.b64encode(api.auth_string.get_secret_value().encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    elif api.key is not None:
        headers["Authorization"] = f"Bearer {api.key.get_secret_value()}"
    return httpx.Client(base_url=url, headers=headers, timeout=timeout_s, follow_redirects=True)
