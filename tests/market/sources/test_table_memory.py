"""A table takes little memory however large it comes: what is too much is refused unread."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

MOST_MIB = 192  # leaves room for the answer itself
SCRIPT = """
import resource
import zipfile
from io import BytesIO

from tasks.market.sources import ecb, fred, french
from tasks.market.sources.protocol import Unreadable


def zipped(text):
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", text)
    return packed.getvalue()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


MIB = 1 << 20
names = [f"X{number}" for number in range(900)]
many = ",".join(["Date", *names]).encode() + (b"\\n2020-01-02" + b",1.00001" * 900) * 1_600
factors = b"".join(b",A%d" % number for number in range(49))
factors += (b"\\n20200102" + b",   -0.12" * 49) * 26_000
"""
READ = {
    "fred": "fred._table(body, 'X')",
    "ecb": "ecb._table(body, names, limit=64 * MIB)",
    "french": "french.factor_returns(body, prefix='x', lag_days=60, what='It')",
}


@pytest.mark.parametrize(
    ("source", "body", "told"),
    [
        ("fred", "b'DATE,X' + b',\\n' * (32 * MIB)", "refused"),
        ("fred", "b'DATE,X\\n2020-01-02,' + b'x' * (60 * MIB)", "refused"),
        ("fred", "b'DATE,X\\n2020-01-02,' + b'x' * (15 * MIB)", "1"),
        ("fred", "b'DATE,X\\n' + b'2020-01-02,1\\n' * 740_000", "740000"),
        ("ecb", "zipped(b'Date,USD\\n' + b',\\n' * (31 * MIB))", "refused"),
        ("ecb", "zipped(many)", "1440000"),
        ("french", "b',A\\n' + b'20200102,1\\n' * (5 * MIB)", "refused"),
        ("french", "b',A\\n20200102,' + b'1' * (60 * MIB)", "refused"),
        ("french", "factors", "1274000"),
    ],
)
def test_a_table_takes_little_memory(source, body, told):
    """Each in a process of its own: the most that was ever used stays in the figure."""
    program = f"""{SCRIPT}
body = {body}
before = peak()
try:
    found = {READ[source]}.height
except Unreadable:
    found = "refused"
print(found, peak() - before)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found, took = ran.stdout.split()
    assert found == told
    assert int(took) < MOST_MIB
