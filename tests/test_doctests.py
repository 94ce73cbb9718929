"""The examples in docstrings give what they say."""

import doctest
import importlib

import pytest

from tests.reading import TOPS, sources

WITH_EXAMPLES = [source for source in sources(*TOPS) if ">>> " in source.text]


@pytest.mark.parametrize("source", WITH_EXAMPLES, ids=lambda source: str(source.place))
def test_examples_give_what_they_say(source):
    module = importlib.import_module(source.module)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0, "no example was collected"
    assert result.failed == 0
