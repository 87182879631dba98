"""What steps ask of models, by the name of a connection: texts for prompts, vectors for texts."""

from collections.abc import Sequence
from typing import Any, Protocol

from blocks.errors import InputError


class Models(Protocol):
    """The models of a run, each behind a named connection."""

    def generate(self, connection: str, requests: Sequence[Any]) -> Sequence[Any]:
        """One answer for each request, in their order."""

    def embed(self, connection: str, texts: Sequence[str]) -> Sequence[Any]:
        """One vector for each text, in their order."""

    def identity(self, connection: str) -> str:
        """What of a connection decides its answers: provider and model; for cache keys."""


class NoModels:
    """A run without models."""

    def generate(self, connection: str, requests: Sequence[Any]) -> Sequence[Any]:
        """Refuse."""
        raise self._refusal(connection)

    def embed(self, connection: str, texts: Sequence[str]) -> Sequence[Any]:
        """Refuse."""
        raise self._refusal(connection)

    def identity(self, connection: str) -> str:
        """Refuse: a step that needs a model is told so before anything starts."""
        raise self._refusal(connection)

    @staticmethod
    def _refusal(connection: str) -> InputError:
        return InputError(f"connection {connection!r}: this run has no models; expected a block")
