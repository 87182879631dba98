"""The Prefect block for BioLM: where a service is, and who asks."""

from typing import Any, Literal, cast

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from blocks.biolm_calls import Connection, Dialect
from blocks.biolm_credentials import checked, environment_connection
from blocks.errors import InputError

HOSTED = "https://biolm.ai/api/v3"


class BioLM(Block):
    """A BioLM service: the hosted one, or a hub of your own."""

    _block_type_name = "BioLM"
    _block_type_slug = "biolm"
    _description = "Connection to BioLM's API or a self-hosted hub, for stages with remote models."

    base_url: str = Field(
        HOSTED,
        title="Base URL",
        description="https://biolm.ai/api/v3, or http://127.0.0.1:8000/api/v1 of a hub",
    )
    token: SecretStr = Field(
        SecretStr(""),
        title="Token",
        description="sent to this host only, and never over plain http; empty: none",
    )
    dialect: Literal["auto", "v3", "hub"] = Field(
        "auto", title="Dialect", description="auto: hub where the URL ends with /api/v1, else v3"
    )
    in_flight: int = Field(
        8, ge=1, le=256, title="Requests at once", description="to one model, over all stages"
    )
    timeout_s: float = Field(
        1_200, gt=0, title="Time limit [s]", description="of one attempt of a request"
    )
    stored_as: str = Field(
        "",
        title="Stored as",
        description="name under which predictions are kept; empty: host and port",
    )

    def connection(self) -> Connection:
        """The connection that this block describes.

        Raises:
            InputError: It cannot be used.
        """
        base_url = self.base_url.strip().rstrip("/")
        hub: Dialect = "hub" if base_url.endswith("/api/v1") else "v3"
        return checked(
            Connection(
                base_url=base_url,
                dialect=hub if self.dialect == "auto" else self.dialect,
                token=self.token if self.token.get_secret_value() else None,
                in_flight=self.in_flight,
                timeout_s=self.timeout_s,
                stored_as=self.stored_as,
            )
        )


def connection_of(name: str) -> Connection:
    """The connection of a saved block, or with "" the one that the environment describes.

    Raises:
        InputError: There is no such block, or it cannot be used.
    """
    if not name:
        return environment_connection()
    try:
        block = cast(BioLM, cast(Any, BioLM).load(name, _sync=True))  # its types know no _sync
    except ValueError as error:
        if "block document" not in str(error):
            raise
        what = f"connection: no BioLM block is called {name!r}"
        raise InputError(
            f"{what}; expected a saved one, or nothing for the environment's"
        ) from None
    return block.connection()
