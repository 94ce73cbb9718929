"""The base of all settings, and the small types they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

BPS = 1e-4
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9^][A-Z0-9.\-_^=/]{0,23}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$", description="Of the environment.")]


class Strict(BaseModel):
    """A frozen settings object that refuses unknown keys.

    Errors name the key and the rule, not the value: it may be a secret in the wrong place.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
