"""A rule of ``messages`` as its author writes it."""

from __future__ import annotations

from typing import Annotated, Any, Final

import pydantic

from app.flows.files import schema_reference
from app.flows.words.word import TextList  # noqa: TC001 - pydantic reads it


class MessageRule(pydantic.BaseModel):
    """What is done with a text message: the first rule that it meets, and no other."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    keyword: TextList = pydantic.Field(
        [], description="The word that the text begins with, or a list of such; case, accents and signs do not matter."
    )
    when: str = pydantic.Field("", description="An expression, which also sees message.text, .keyword and .words.")
    reply: str | None = pydantic.Field(None, description="What is sent back to who wrote.")
    forward: TextList = pydantic.Field(
        [], description="To whom the text is sent on, and from whom it is: numbers, groups of this file, or a list."
    )
    notify: Annotated[Any, schema_reference("notice")] = pydantic.Field(None, description="Another server that is told.")
    ignore: Annotated[bool, pydantic.Field(description="Whether nothing is done, and that is meant.")] = False


MESSAGE_ACTIONS: Final = ("reply", "forward", "notify", "ignore")
