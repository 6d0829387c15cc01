"""What every request and answer on the wire is made of, for all applications."""

from typing import Annotated, Any

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=256)]  # as in the data contract


class Message(BaseModel):
    """A request or an answer; unknown keys are refused so that a typing slip is not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Message):
    """What went wrong, in one line: what was expected, what was found, what to do."""

    detail: str


def problem(status: int, description: str) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says of an answer that is a Problem."""
    return {status: {"model": Problem, "description": description}}


BAD_REQUEST = problem(422, "The request is not what this document says; the line names where")
NOT_READY = problem(503, "No champion has been loaded yet")


def as_json(answer: Message) -> Response:
    """Return an answer as it is sent: it is valid, and is not validated again."""
    return Response(answer.model_dump_json(), media_type="application/json")
