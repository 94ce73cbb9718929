"""The data library of Kenneth French as it answers: one zipped text a table."""

import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl

from conf.schema import FrenchSource
from tasks.market.frames import RAW_SERIES
from tasks.market.sources.french import FrenchData
from tasks.market.sources.protocol import Place
from tests.market.sources.vendor import QUICK, Answer, WebCase

NIGHT = date(2020, 5, 15)
FACTORS = """This file was created by CMPT_ME_BEME_RETS_DAILY using the 202003 CRSP database.
The Tbill return is the simple daily rate that, over the number of trading days
in the month, compounds to 1-month TBill rate from Ibbotson and Associates Inc.

,Mkt-RF,SMB,HML,RF
20200311,   -4.95,   -1.19,   -1.73,    0.006
20200312,   -9.63,   -0.69,   -1.36,    0.006
20200313,    8.95,  -99.99,    3.36,    0.006
20200316,  -12.00,    0.39,   -1.21,    0.006
20200317,    5.90,   -0.27,   -4.00,    0.006

Copyright 2020 Kenneth R. French
"""
MOMENTUM = """This file was created by CMPT_ME_PRIOR_RETS_DAILY using the 202003 CRSP database.
Missing data are indicated by -99.99 or -999.

,Mom
20200312,    2.85
20200313,    -999
20200316,    1.56

Copyright 2020 Kenneth R. French – caf\u00e9
"""


def zipped(text: str, name: str = "factors.CSV") -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        body = text.replace("\n", "\r\n").encode("cp1252")
        archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


ROUTES = {
    "/ftp/F-F_Research_Data_Factors_daily_CSV.zip": lambda request: Answer(zipped(FACTORS)),
    "/ftp/F-F_Momentum_Factor_daily_CSV.zip": lambda request: Answer(zipped(MOMENTUM)),
}


def source(base_url: str, spool: Path | None = None, **settings: object) -> FrenchData:
    conf = FrenchSource(
        kind="french",
        title="Kenneth French",
        base_url=f"{base_url}/ftp",
        starts=date(2020, 1, 2),
        observed_from=date(2020, 5, 11),
        look_back=3,
        expected_rows=1,
        tables={"ff3": "F-F_Research_Data_Factors_daily", "mom": "F-F_Momentum_Factor_daily"},
        **{**QUICK, **settings},
    )
    return FrenchData(conf, Place(spool=spool))


def case(base_url: str, spool: Path) -> WebCase:
    rows = [  # 60 days before the night: 16 March; 60 days before its look-back: 13 March
        (date(2020, 3, 13), "ff3_mkt_rf", 8.95),
        (date(2020, 3, 13), "ff3_hml", 3.36),
        (date(2020, 3, 13), "ff3_rf", 0.006),
        (date(2020, 3, 16), "ff3_mkt_rf", -12.0),
        (date(2020, 3, 16), "ff3_smb", 0.39),
        (date(2020, 3, 16), "ff3_hml", -1.21),
        (date(2020, 3, 16), "ff3_rf", 0.006),
        (date(2020, 3, 16), "mom_mom", 1.56),
    ]
    natural = [(day, name, value * 0.01, NIGHT) for day, name, value in rows]
    expected = pl.DataFrame(natural, RAW_SERIES, orient="row")
    return WebCase(
        source(base_url, spool), ROUTES, expected.sort(expected.columns), "series", NIGHT
    )
