"""The shape of an answer, said once as a pydantic model, and where one differs from it."""

import reprlib
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from tasks.market.sources.protocol import Unreadable


class Part(BaseModel):
    """A part of an answer, by the vendor's names; what it holds besides is not read."""

    model_config = ConfigDict(frozen=True)


Shape = TypeVar("Shape", bound=Part)


def _writable(text: str) -> str:
    """Return a text that can be stored: JSON can spell half of a character."""
    text.encode()
    return text


Words = Annotated[str, AfterValidator(_writable)]


def read_as(shape: type[Shape], sent: object, *, what: str) -> Shape:
    """Return what was sent as `shape`, or name the first place in it that is of another one."""
    try:
        return shape.model_validate(sent)
    except ValidationError as reason:
        first = reason.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "its top"
        found = reprlib.repr(first["input"])  # short, however much or deep it is
        raise Unreadable(
            f"{what} is not of the shape it should be at {place:.80}: {first['msg']:.120}; "
            f"found {found:.120}. Pull it again."
        ) from reason
