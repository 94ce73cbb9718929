"""What good data is, as plain data: one Great Expectations suite for each frame the gate judges.

`severity` decides: `critical` blocks, `warning` warns. `$PARAMETER` is filled in by the gate each
night. `meta` carries the rule's name, the words of the verdict, and, where several expectations
tell of one fault, the `fault`: the first to fail speaks for all of that fault.
"""

from typing import Any

Suite = list[dict[str, Any]]

_VAST = (
    1e12  # no price or count is larger; a bound above also stops infinity, which passes one below
)


def _expect(
    kind: str, severity: str, *, rule: str, reason: str, fault: str | None = None, **kwargs: Any
) -> dict[str, Any]:
    meta = {"rule": rule, "reason": reason, "fault": fault or rule}
    return {
        "type": f"expect_{kind}",
        "severity": severity,
        "meta": meta,
        "kwargs": kwargs,
    }


def _fewest(column: str, fewest: Any, severity: str, **said: Any) -> dict[str, Any]:
    bounds = {"column": column, "min_value": fewest, "max_value": _VAST}
    return _expect("column_min_to_be_between", severity, **said, **bounds)


def _most(column: str, most: Any, severity: str, **said: Any) -> dict[str, Any]:
    bounds = {"column": column, "min_value": -_VAST, "max_value": most}
    return _expect("column_max_to_be_between", severity, **said, **bounds)


def _parameter(name: str) -> dict[str, str]:
    return {"$PARAMETER": name}


def _too_many(column: str, warns: str | None, blocks: str | None, reason: str) -> Suite:
    """Bound a count twice, by the parameters named, the one that blocks first."""
    bounds = [(blocks, "critical", f"too many: {reason}"), (warns, "warning", reason)]
    return [
        _most(column, _parameter(bound), severity, rule=bound, reason=words, fault=column)
        for bound, severity, words in bounds
        if bound
    ]


# One row of facts about a delivery's own session (`expectations.facts`); not asked on a holiday.
OWN_SESSION: Suite = [
    _fewest("rows", 1, "critical", rule="rows", reason="empty delivery", fault="delivery"),
    _most(
        "repeated_share",
        0.9,
        "critical",
        rule="repeated_share",
        reason="stale delivery",
        fault="delivery",
    ),
    _fewest(
        "own_rows",
        _parameter("half_own_rows"),
        "critical",
        rule="half_own_rows",
        reason="half delivery",
        fault="delivery",
    ),
    _fewest(
        "own_rows",
        _parameter("usual_own_rows"),
        "warning",
        rule="usual_own_rows",
        reason="thin delivery",
        fault="delivery",
    ),
    *_too_many("quarantined", "some_quarantined", "many_quarantined", "rows quarantined"),
    _most("missing_names", 0.1, "warning", rule="missing_names", reason="names missing"),
    _most(
        "new_names",
        0.3,
        "critical",
        rule="many_new_names",
        reason="too many: names never seen before",
        fault="new_names",
    ),
    _most("new_names", 0.02, "warning", rule="new_names", reason="names never seen before"),
    _fewest(
        "volume_ratio",
        _parameter("least_volume_ratio"),
        "warning",
        rule="volume_ratio",
        reason="volumes look provisional",
    ),
    # On 323 real nights the share was 0.43 at most, but 0.56 on the flash crash of 2015-08-24.
    _most(
        "opens_beyond",
        0.63,
        "critical",
        rule="opens_beyond",
        reason="opens and closes have changed places",
    ),
    _most(
        "columns_lost", 0, "critical", rule="columns_lost", reason="a column came without values"
    ),
    *_too_many("missing_sessions", "some_missing", "many_missing", "sessions missing"),
]

# One row of facts about any delivery.
EVERY_NIGHT: Suite = [
    *_too_many("copies", "some_copies", None, "exact duplicates dropped"),
    *_too_many("conflicts", "some_conflicts", "many_conflicts", "differing duplicates quarantined"),
    *_too_many("jumps", "some_jumps", "many_jumps", "prices jump without an action"),
    *_too_many(
        "quiet_moves", "some_quiet_moves", "many_quiet_moves", "prices move far without volume"
    ),
    *_too_many("disagreeing", "some_disagreeing", "many_disagreeing", "sources disagree"),
    *_too_many("splits", None, "many_splits", "splits in one night"),
    *_too_many("corrected", "some_corrected", "many_corrected", "closes of the eve corrected"),
    *_too_many("holes", "some_holes", None, "rows with a price or volume missing"),
    _most(
        "bad_actions",
        _parameter("many_bad_actions"),
        "critical",
        rule="many_bad_actions",
        reason="too many: unusable actions left out",
        fault="bad_actions",
    ),
    _most(
        "withdrawn_share",
        0.5,
        "critical",
        rule="withdrawn_share",
        reason="too many: actions told no more",
        fault="withdrawn",
    ),
    _most("withdrawn", 0, "warning", rule="withdrawn", reason="actions told no more"),
    _most("bad_actions", 0, "warning", rule="bad_actions", reason="unusable actions left out"),
]

# The same row, where a second source checks the delivery.
CHECKED: Suite = [
    _fewest(
        "checking",
        1,
        "warning",
        rule="checking",
        reason="not cross-checked: the second source told nothing of the session",
    )
]

# One row of facts about a delivery of series or filings instead of bars.
TOLD: Suite = [
    _fewest("rows", 1, "critical", rule="rows", reason="empty delivery", fault="delivery"),
    _fewest("believed", 1, "critical", rule="believed", reason="no clean row", fault="delivery"),
    *_too_many("quarantined", "some_quarantined", "many_quarantined", "rows quarantined"),
    _most("silent", 0.1, "warning", rule="silent", reason="series missing"),
    _most("overdue", 0, "warning", rule="overdue", reason="series overdue"),
]

# The clean rows themselves: proof that the row rules left nothing behind.
CLEAN_BARS: Suite = [
    _expect(
        "table_row_count_to_be_between",
        "critical",
        rule="clean_rows",
        reason="no clean row",
        fault="delivery",
        min_value=1,
    ),
    _most("absent", 0, "critical", rule="clean_close_present", reason="a clean row has no close"),
    _fewest(
        "positive",
        1e-12,
        "critical",
        rule="clean_close_above_zero",
        reason="a close is not positive",
    ),
    _most("close", _VAST, "critical", rule="clean_close_finite", reason="a close is not finite"),
    _most("copies", 1, "critical", rule="clean_keys_unique", reason="a clean key comes twice"),
]

# The rows of a target portfolio before its release.
TARGET_ROWS: Suite = [
    _expect(
        "table_row_count_to_be_between",
        "critical",
        rule="rows",
        reason="too few targets",
        min_value=_parameter("fewest"),
    ),
    _expect(
        "column_values_to_be_unique",
        "critical",
        rule="instruments_unique",
        reason="an instrument comes twice",
        column="instrument",
    ),
    *(
        _expect(
            "column_values_to_not_be_null",
            "critical",
            rule=f"{column}_present",
            reason=f"{column} missing",
            column=column,
        )
        for column in ("instrument", "symbol", "weight", "value", "shares", "current_shares")
    ),
]

# One row of facts about a target portfolio.
TARGET_FACTS: Suite = [
    _most("not_finite", 0, "critical", rule="not_finite", reason="numbers that are not finite"),
    _most("unpriced", 0, "critical", rule="unpriced", reason="shares without a price"),
    _most(
        "value_gap", 1e-6, "critical", rule="value_gap", reason="value is not shares times price"
    ),
    _most("weight_gap", 1e-6, "critical", rule="weight_gap", reason="weights and values disagree"),
    _most(
        "risk_gap", 1e-6, "warning", rule="risk_gap", reason="risk contributions do not sum to one"
    ),
]

# The same facts against the book's limits; only those of limits in force are asked.
TARGET_LIMITS: dict[str, Suite] = {
    "long_only": [
        _most("shorts", 0, "critical", rule="long_only", reason="short positions traded")
    ],
    "box": [
        _fewest(
            "lightest", _parameter("box_min"), "critical", rule="box_min", reason="below its box"
        ),
        _most(
            "heaviest", _parameter("box_max"), "critical", rule="box_max", reason="above its box"
        ),
        _most(
            "outside_untraded",
            0,
            "warning",
            rule="box_untraded",
            reason="outside its box, but not to be traded",
        ),
    ],
    "gross": [
        _most(
            "gross", _parameter("gross"), "critical", rule="gross", reason="gross above its limit"
        )
    ],
    "net": [
        _fewest(
            "net", _parameter("net_min"), "critical", rule="net_min", reason="net below its limit"
        ),
        _most(
            "net", _parameter("net_max"), "critical", rule="net_max", reason="net above its limit"
        ),
    ],
    "cash": [
        _most("net", _parameter("invested"), "critical", rule="cash", reason="too little cash")
    ],
    "names": [
        _fewest(
            "names", _parameter("names_min"), "critical", rule="names_min", reason="too few names"
        ),
        _most(
            "names", _parameter("names_max"), "critical", rule="names_max", reason="too many names"
        ),
    ],
}
