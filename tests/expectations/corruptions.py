"""Every way in which the tests spoil a clean night, by name."""

from tests.expectations.injected_dates import DATES
from tests.expectations.injected_nights import NIGHTS
from tests.expectations.injected_rows import ROWS
from tests.expectations.injected_text import TEXT
from tests.expectations.injected_values import VALUES
from tests.expectations.injection import Corruption

CORRUPTIONS: dict[str, Corruption] = {**ROWS, **NIGHTS, **DATES, **TEXT, **VALUES}
