"""Keeping secrets out of errors: servers repeat what they were asked with, spelt in their way."""

import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from tasks.market.sources.answers import shown

LOOKED_AT = 1 << 16  # bytes of an answer that are searched before the start of it is shown


class Secrets:
    """What must not be shown."""

    def __init__(self) -> None:
        self._spellings: set[str] = set()

    def add(self, secrets: Iterable[SecretStr]) -> None:
        """Hide these from now on, whole and their last word: `Token abc` may come back as `abc`."""
        for secret in secrets:
            whole = secret.get_secret_value()
            self._spellings |= _spellings(whole) | _spellings(whole.split(" ")[-1])

    def clean(self, text: str) -> str:
        """Return `text` with `***` for each secret, in small letters or large."""
        longest_first = sorted(self._spellings, key=lambda one: (-len(one), one))
        any_of = "|".join(map(re.escape, longest_first))
        return re.sub(any_of, "***", text, flags=re.IGNORECASE) if any_of else text

    def shown(self, body: bytes) -> str:
        """Return the start of an answer, fit for an error: a secret that was cut is gone too."""
        return shown(self.clean(body[:LOOKED_AT].decode("utf-8", "replace")).encode())


def _spellings(secret: str) -> set[str]:
    """Return a secret as text, and as an address, JSON and HTML write it."""
    spelt = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    spelt |= {json.dumps(secret)[1:-1], secret.replace("/", "\\/"), escape(secret)}
    return spelt - {""}
