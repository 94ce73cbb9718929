"""What a server repeats of our secrets is in no error, however spelt and wherever it is cut."""

import json
from html import escape
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from tasks.market.sources.answers import SHOWN
from tasks.market.sources.secrecy import Secrets

KEY = 'ab/cd+ef="01&23\\45 Ghijk'


def hiding(*keys: str) -> Secrets:
    secrets = Secrets()
    secrets.add(SecretStr(key) for key in keys)
    return secrets


@pytest.mark.parametrize(
    "spell",
    [
        str,
        str.upper,
        str.lower,
        quote,
        quote_plus,
        lambda key: quote(key, safe=""),
        lambda key: quote(key, safe="").lower(),
        lambda key: json.dumps(key)[1:-1],
        lambda key: key.replace("/", "\\/"),
        escape,
    ],
)
def test_a_secret_is_hidden_however_it_is_spelt(spell):
    assert hiding(KEY).clean(f"<{spell(KEY)}>") == "<***>"


def test_the_last_word_of_a_secret_is_one_too():
    assert hiding("Token t-very-secret").clean("t-very-secret, Token t-very-secret") == "***, ***"


def test_the_longer_of_two_secrets_is_hidden_whole():
    assert hiding("abc", "abcdef").clean("abcdef abc") == "*** ***"


def test_without_secrets_a_text_stays_as_it_is():
    assert hiding().clean("a.b|c") == hiding("").clean("a.b|c") == "a.b|c"


@pytest.mark.parametrize("before", range(SHOWN + 5))
def test_no_piece_of_a_secret_is_left_where_an_answer_is_cut(before):
    key = "abcdef0123456789" * 2
    told = hiding(key).shown(b"." * before + key.encode())
    assert "abc" not in told
    assert len(told) <= SHOWN + 3
