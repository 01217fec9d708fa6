"""The floor's windows as one query: months side by side as columns of one row, with layers of expressions over them.

A month of an account is joined from a hash table of that month, so nothing is grouped or sorted. Expressions are built
in layers, because a named expression is computed only once.
"""

from collections.abc import Sequence

from features import Window

MONTHS = 25  # includes the month before the last one of the longest window

# Columns of a month, from its snapshot. {m} is its number, {p} that of the month before. Quotients are divided in one
# layer and limited in the next. Inside the case, each branch would divide again.
SNAPSHOT = (
    "balance", "credit_limit", "scheduled_payment", "amount_paid", "days_past_due", "is_inactive", "is_paid_in_full",
)  # fmt: skip
QUOTIENTS = {
    "utilization": ("balance_{m}", "credit_limit_{m}"),
    "paydown_ratio": ("balance_{p} - balance_{m}", "balance_{p}"),
    "payment_ratio": ("amount_paid_{m}", "scheduled_payment_{m}"),
    "paid_to_balance": ("amount_paid_{m}", "balance_{p}"),
    "paid_to_limit": ("amount_paid_{m}", "credit_limit_{m}"),
}
DERIVED = {
    "is_late": "cast(days_past_due_{m} > 0 as tinyint)",
    "is_30_dpd": "cast(days_past_due_{m} >= 30 as tinyint)",
    "is_60_dpd": "cast(days_past_due_{m} >= 60 as tinyint)",
    "is_worse": "cast(days_past_due_{m} > days_past_due_{p} as tinyint)",
    "is_better": "cast(days_past_due_{m} < days_past_due_{p} as tinyint)",
    "is_over_limit": "cast(balance_{m} > credit_limit_{m} as tinyint)",
    "paydown": "balance_{p} - balance_{m}",
    "shortfall": (
        "case when scheduled_payment_{m} < amount_paid_{m} then 0 else scheduled_payment_{m} - amount_paid_{m} end"
    ),
    "is_short_paid": "cast(amount_paid_{m} < scheduled_payment_{m} as tinyint)",
}
# Null in the same months as another measure, whose observations are counted for both.
OBSERVED_WITH = {
    "is_late": "days_past_due",
    "is_30_dpd": "days_past_due",
    "is_60_dpd": "days_past_due",
    "is_better": "is_worse",
    "is_paid_in_full": "is_inactive",
    "is_short_paid": "shortfall",
    "is_paid_late": "days_late",
}

# The ledger is summed straight from payment to account, in bands of months between two window lengths. Of the good
# payments of a month, only the latest has is_good and days_late.
LEDGER = {
    "sum_payment_count": "cast(count(*) as integer)",
    "sum_returned_count": "cast(sum(returned) as integer)",
    "since_returned_count": "min(case when returned > 0 then m end)",
    "sum_returned_amount": "cast(sum(returned_amount) as decimal(18, 2))",
    "sum_is_good": "cast(sum(is_good) as integer)",
    "sum_is_paid_late": "cast(sum(cast(days_late > 5 as tinyint)) as integer)",
    "count_days_late": "cast(count(days_late) as integer)",
    "sum_days_late": "cast(sum(days_late) as integer)",
    "max_days_late": "cast(max(days_late) as integer)",
    "sum_t_days_late": "cast(sum(case when days_late is not null then m end) as integer)",
    "sum_tt_days_late": "cast(sum(case when days_late is not null then cast(m as integer) * m end) as integer)",
    "sum_xt_days_late": "cast(sum(days_late * cast(m as integer)) as integer)",
}
LEDGER_MEASURES = (
    "payment_count", "returned_count", "returned_amount", "is_unpaid", "days_late", "is_paid_late",
)  # fmt: skip


class Parts:
    """The parts of the statistics, in layers: a longer window is the next shorter one plus the months beyond it.

    A part is the count, sum, max or min of a measure x over the months of a window, or sum_xx. With t, the number of an
    observed month, there are sum_t, sum_tt and sum_xt. since is the first month with x above zero.
    """

    def __init__(self, windows: Sequence[Window], ledger_months: int) -> None:
        """ledger_months: how many months back the lender's ledger goes. Earlier months count as not observed."""
        lengths = sorted({window.months for window in windows if window.stat not in ("last", "change")})
        self.lengths = [length for length in lengths if length > 1]
        self.bands = [1, *self.lengths]
        self.layers: list[dict[str, str]] = [{} for _ in self.bands]
        self.months: dict[str, int] = {}
        self._ledger_months = ledger_months

    def month(self, measure: str, ago: int) -> str:
        """The measure in one month."""
        self.months[measure] = max(self.months.get(measure, 0), ago + 1)
        return f"{measure}_{ago}"

    def part(self, part: str, measure: str, months: int) -> str:
        """Name of the column that holds a part."""
        if part in ("count", "sum_t", "sum_tt"):
            measure = OBSERVED_WITH.get(measure, measure)
        name = f"{part}_{measure}_{months}m"
        layer = self.layers[self.bands.index(months)]
        if name not in layer:
            layer[name] = self._ledger(part, measure, months) or self._snapshots(part, measure, months)
        return name

    def _snapshots(self, part: str, measure: str, months: int) -> str:
        shorter = 0 if part == "since" else max((length for length in self.lengths if length < months), default=0)
        terms = [self.part(part, measure, shorter)] if shorter else []
        for ago in range(shorter, months):
            x = self.month(measure, ago)
            if part in ("max", "min"):
                terms.append(x)
            elif part == "sum":
                terms.append(f"coalesce({x}, 0)")
            elif part == "count":
                terms.append(f"cast({x} is not null as tinyint)")
            elif part == "sum_xx":
                terms.append(f"coalesce(cast({x} as decimal(19, 6)) * cast({x} as decimal(19, 6)), 0)")
            elif part == "since":
                terms.append(f"when {x} > 0 then {ago}")
            elif ago:
                observed = f"cast({x} is not null as integer)"
                terms.append(
                    {
                        "sum_t": f"{observed} * {ago}",
                        "sum_tt": f"{observed} * {ago * ago}",
                        "sum_xt": f"coalesce({x}, 0) * {ago}",
                    }[part]
                )
        if part == "since":
            return f"case {' '.join(terms)} end"
        if part in ("max", "min"):
            return f"{'greatest' if part == 'max' else 'least'}({', '.join(terms)})"
        return " + ".join(terms)

    def _ledger(self, part: str, measure: str, months: int) -> str | None:
        if measure not in LEDGER_MEASURES:
            return None
        bands = [number for number, last in enumerate(self.bands) if last <= months]
        observed = f"bit_count(seen & {(1 << min(months, self._ledger_months)) - 1})"
        if part == "count" and measure != "days_late":
            return observed
        if measure == "is_unpaid":
            return " - ".join([observed, *(f"coalesce(sum_is_good_band_{band}, 0)" for band in bands)])
        if part in ("since", "max"):
            columns = ", ".join(f"{part}_{measure}_band_{band}" for band in bands)
            return f"{'coalesce' if part == 'since' else 'greatest'}({columns})"
        return " + ".join(f"coalesce({part}_{measure}_band_{band}, 0)" for band in bands)


def statistic(window: Window, parts: Parts) -> str:
    """A window's feature as an expression over its parts."""

    def part(name: str) -> str:
        return parts.part(name, measure, months)

    measure, stat, months = window.measure, window.stat, window.months
    data_type = "integer" if window.is_whole else "double"
    if stat == "last":
        now = parts.part("max", measure, 1) if measure in LEDGER_MEASURES else parts.month(measure, 0)
        return f"cast({now} as {data_type})"
    if stat == "change":
        return f"cast({parts.month(measure, 0)} - {parts.month(measure, months)} as {data_type})"
    if stat in ("max", "min", "since"):
        return f"cast({part(stat)} as {data_type})"
    n = part("count")
    if stat == "seen":
        return f"cast({n} as integer)"
    x = part("sum")
    if stat == "sum":
        return f"cast(case when {n} > 0 then {x} end as {data_type})"
    if stat == "avg":
        return f"round(cast({x} as double) / nullif({n}, 0), 6)"
    if stat == "slope":
        t, tt, xt = part("sum_t"), part("sum_tt"), part("sum_xt")
        # Months count backwards, so both products change their signs.
        return f"round((cast({x} as double) * {t} - {n} * cast({xt} as double)) / nullif({n} * {tt} - {t} * {t}, 0), 6)"
    if stat == "std":
        mean = f"cast({x} as double) / nullif({n}, 0)"
        variance = f"cast({part('sum_xx')} as double) / nullif({n}, 0) - power({mean}, 2)"
        return f"round(sqrt(case when {variance} < 0 then 0 else {variance} end), 6)"
    raise ValueError(f"{window.feature}: no statistic {stat}")


def windows_query(windows: Sequence[Window], ledger_months: int) -> str:
    """One row per account with its windows, from the tables seen, months and paid."""
    parts = Parts(windows, ledger_months)
    features = [f"{statistic(window, parts)} as {window.feature}" for window in windows]
    # By now every layer above has named the months that it reads, and these the columns that they need.
    divided, held, derived = [], [], []
    for measure, months in parts.months.items():
        for ago in range(months):
            if measure in QUOTIENTS:
                above, below = (side.format(m=ago, p=ago + 1) for side in QUOTIENTS[measure])
                positive = f"case when {below} > 0 then {below} end"
                q = f"{measure}_{ago}_q"
                divided.append(f"cast({above} as double) / cast({positive} as double) as {q}")
                held.append(f"{limited(q)} as {measure}_{ago}")
            elif measure in DERIVED:
                derived.append(f"{DERIVED[measure].format(m=ago, p=ago + 1)} as {measure}_{ago}")
    abreast = [f"month_{ago}.{column} as {column}_{ago}" for ago in range(MONTHS) for column in SNAPSHOT]
    abreast += [f"band_{number}.{part}_band_{number}" for number in range(len(parts.bands)) for part in LEDGER]
    query = f"select seen.idx, seen.seen, {', '.join(abreast)} from seen"
    for ago in range(MONTHS):
        query += f" left join (from months where m = {ago}) as month_{ago} on seen.idx = month_{ago}.idx"
    for number, (first, last) in enumerate(zip([0, *parts.bands], parts.bands, strict=False)):
        sums = ", ".join(f"{expression} as {part}_band_{number}" for part, expression in LEDGER.items())
        band = f"select idx, {sums} from paid where m between {first} and {last - 1} group by idx"
        query += f" left join ({band}) as band_{number} on seen.idx = band_{number}.idx"
    for layer in ([*divided, *derived], held, *([f"{e} as {n}" for n, e in x.items()] for x in parts.layers)):
        if layer:
            query = f"select *, {', '.join(layer)} from ({query})"
    return f"select idx, {', '.join(features)} from ({query})"


def limited(quotient: str, limit: int = 1000) -> str:
    """A quotient rounded to six places and limited on both sides."""
    return (
        f"case when abs({quotient}) <= {limit} then cast({quotient} as decimal(18, 6))"
        f" when {quotient} > 0 then {limit} when {quotient} < 0 then -{limit} end"
    )


def ratio(above: str, below: str) -> str:
    quotient = f"(cast({above} as double) / cast(case when {below} > 0 then {below} end as double))"
    return f"cast({limited(quotient)} as double)"
