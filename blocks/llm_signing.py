"""AWS signatures of requests, made by AWS's own library, which S3 needs anyway."""

from collections.abc import Mapping
from typing import Any

import httpx

from blocks.errors import InputError, ServiceError
from blocks.llm_calls import AwsKeys

SIGNED_AS = "bedrock"
"""The name that Bedrock Runtime goes by in signatures."""
_NONE_FOUND = (
    "Bedrock: no AWS keys; expected a bearer key or keys in the block, or what AWS's own tools "
    "find (AWS_ACCESS_KEY_ID, a profile, the machine's role)"
)


class Signer:
    """Gives a request its signature (SigV4), with the time of the attempt in it.

    Args:
        keys: None: as AWS's own tools find them, looked up again when they run out.
    """

    def __init__(self, region: str, keys: AwsKeys | None) -> None:
        self._region = region
        self._keys = keys
        self._found: Any = None

    def __call__(self, request: httpx.Request) -> Mapping[str, str]:
        """Headers that the request needs besides its own.

        Raises:
            InputError: There are no keys.
            ServiceError: The machine's keys could not be fetched.
        """
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        headers = {"Content-Type": request.headers["content-type"]}
        signed = AWSRequest(request.method, str(request.url), headers, request.content)
        SigV4Auth(self._credentials(), SIGNED_AS, self._region).add_auth(signed)
        return dict(signed.headers.items())

    def _credentials(self) -> Any:  # noqa: ANN401 -- botocore has no types
        from botocore.credentials import Credentials
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session

        if self._keys is not None:
            token = self._keys.session_token
            return Credentials(
                self._keys.access_key_id.get_secret_value(),
                self._keys.secret_access_key.get_secret_value(),
                token.get_secret_value() if token else None,
            )
        try:
            self._found = self._found or get_session().get_credentials()
            if self._found is not None:
                return self._found.get_frozen_credentials()
        except BotoCoreError as error:
            raise ServiceError("AWS", f"no keys ({type(error).__name__})") from None
        raise InputError(_NONE_FOUND)
