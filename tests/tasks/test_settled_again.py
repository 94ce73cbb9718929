"""A night that is judged again after the account was settled on it loses no action of it."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tasks.execution.release import release
from tasks.market.frames import DRAFT_ORDERS, DRAFT_TARGETS, shaped
from tasks.settings import data_folder, open_lake
from tests.house import BOOK
from tests.tasks.late_folder import Folder, market, of, sessions, times, told

pytestmark = pytest.mark.slow
DAYS = sessions(20)
RELEASED, EX, SETTLED, NEXT = 3, 5, 6, 7
HELD, UNFILLED = 10, 5


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Give a folder with a book that bought S02, and an order in S03 that no price ever meets."""
    made = Folder(tmp_path, monkeypatch)
    book = BOOK.replace("tiny", "folder").replace("contest: folder", "contest: small")
    (tmp_path / "conf" / "books" / "held.yaml").write_text(book)
    source = tmp_path / "conf" / "sources" / "folder.yaml"
    source.write_text(f"{source.read_text()}trades_at: close\n")
    made.send(halved(), *DAYS[1 : RELEASED + 1])
    made.judge(DAYS[RELEASED])
    settled(DAYS[RELEASED])
    names = [told("bars", symbol)["instrument"][0] for symbol in ("S02", "S03")]
    orders = {
        "client_order_id": ["a", "b"],
        "instrument": names,
        "side": ["buy", "buy"],
        "quantity": [HELD, UNFILLED],
        "limit_price": [None, 0.01],
    }
    release(
        data_folder(),
        "held",
        DAYS[RELEASED],
        targets=pl.DataFrame(schema=DRAFT_TARGETS),
        orders=shaped(pl.DataFrame(orders), DRAFT_ORDERS),
        checks=[],
        manifest={},
        run={},
        extra={},
    )
    made.send(halved(), DAYS[RELEASED + 1], *DAYS[EX + 1 : SETTLED + 1])
    made.judge(DAYS[SETTLED])
    settled(DAYS[SETTLED])  # and then the night fails: no release reads it
    return made


def halved() -> pl.DataFrame:
    """Return the market, S02 split two for one on EX."""
    rows = market(NEXT + 1)
    after = of(rows, "S02") & (rows["date"] >= DAYS[EX])
    return times(rows, 0.5, after).with_columns(pl.col("close", "adjusted").round(2))


def settled(as_of: date) -> pl.DataFrame:
    """Bring the account to `as_of`; return all its rows."""
    from tasks.settle import settle_book

    settle_book.fn("held", as_of)
    return open_lake().read("ledger/held")


def split_comes_late(folder: Folder) -> None:
    """Let the night of EX land late, which tells of the split, and then the next one."""
    rows = halved()
    half = pl.when(of(rows, "S02", DAYS[EX - 1])).then(pl.col("close") / 2).otherwise("adjusted")
    folder.send(rows.with_columns(adjusted=half), DAYS[EX])
    folder.send(rows, DAYS[NEXT])
    assert folder.judge(DAYS[NEXT]) == "pass"
    split = open_lake().read("actions").filter(kind="split")
    assert split.select("ex_session", "known_on").rows() == [(DAYS[EX], DAYS[EX])]


def test_a_split_that_a_night_tells_when_it_is_judged_again_moves_the_shares(folder):
    before = open_lake().read("ledger/held")
    split_comes_late(folder)
    ledger = settled(DAYS[NEXT])
    shares = ledger.filter(pl.col("instrument").str.contains(":S02:"))
    assert dict(shares.select("session", "shares").iter_rows()) == {
        DAYS[RELEASED + 1]: HELD,
        **dict.fromkeys(DAYS[EX : NEXT + 1], 2 * HELD),
    }
    nav = ledger.filter(pl.col("session") >= DAYS[EX])["nav"].unique()
    assert nav.max() == pytest.approx(nav.min(), rel=1e-3)
    kept = pl.col("session") < DAYS[EX]
    assert ledger.filter(kept).equals(before.filter(kept))


def test_orders_that_wait_are_the_same_when_their_sessions_are_settled_again(folder):
    columns = ["session", "instrument", "pending", "limit_price", "traded"]
    waiting = pl.col("instrument").str.contains(":S03:")
    before = open_lake().read("ledger/held").filter(waiting).select(columns)
    assert before.filter(session=DAYS[SETTLED])["pending"].to_list() == [UNFILLED]
    split_comes_late(folder)
    after = settled(DAYS[NEXT]).filter(waiting).select(columns)
    assert after.filter(pl.col("session") <= DAYS[SETTLED]).equals(before)


def test_what_a_release_has_read_of_the_account_stays(folder):
    from tasks.judge import forget_derived

    forget_derived(open_lake(), "folder", DAYS[1])
    assert open_lake().read("ledger/held")["session"].unique().to_list() == [DAYS[RELEASED]]


def test_where_its_rows_went_meanwhile_a_release_says_to_settle_again(folder):
    from tasks.judge import forget_derived
    from tasks.settle import keep_pending

    forget_derived(open_lake(), "folder", DAYS[SETTLED])
    with pytest.raises(LookupError, match="run settle_book first"):
        keep_pending(open_lake(), "held", DAYS[SETTLED])
