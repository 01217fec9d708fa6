"""A synthetic lender, one block of customers at a time.

Each customer has a lasting risk and a stress that changes from month to month. With the economy and the age of the
account, they drive everything else: missed payments, use of a limit, late days, returned payments, bureau scores. The
rest is chance, so that no model can predict all of it.

Time is in months from the first month of the window (negative before it) and in days since 1970-01-01. Money is in
cents. A block depends only on its own parameters and its own random generator.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from nightbook.landing.columns import constant, dates, decimals, ids, integers, nights_after, pick, strings
from nightbook.landing.contract import DEFAULT_REASONS, PRODUCTS, RATE, TABLES, YEARS
from nightbook.landing.narratives import NARRATIVES, PURPOSES

LAST_MONTH = np.datetime64("2026-06", "M")
LAST_DAY = int(np.datetime64("2026-06-30").astype(int))

STATES = (
    "AL", "AZ", "CA", "CO", "FL", "GA", "IL", "IN", "MA", "MD", "MI", "MN", "MO",
    "NC", "NJ", "NV", "NY", "OH", "OR", "PA", "SC", "TN", "TX", "UT", "VA", "WA", "WI",
)  # fmt: skip
EMPLOYMENT = ("employed", "self_employed", "unemployed", "retired", "student")
EMPLOYED, SELF_EMPLOYED, UNEMPLOYED, RETIRED, STUDENT = range(5)
METHODS = ("ach", "card", "check", "cash")
CHANNELS = ("branch", "web", "mobile", "broker")
HOMES = ("own", "mortgage", "rent", "other")
STATUSES = ("current", "delinquent", "charged_off", "closed")
CURRENT, DELINQUENT, CHARGED_OFF, CLOSED = range(4)
DECISIONS = ("approved", "declined")
APPROVED, DECLINED, UNDECIDED = range(3)
NINETY_DPD, CHARGE_OFF, BANKRUPTCY, REPORTED = range(4)

STRESS_MEMORY = 0.90
# By number of missed installments: the log-odds of missing one more, and the effect of risk and stress on them.
ROLL_LEVEL = np.array([-4.65, -1.05, -0.35, 0.45, 0.9, 1.2, 1.2])
ROLL_SLOPE = np.array([1.0, 0.45, 0.3, 0.25, 0.2, 0.2, 0.2])
CHARGE_OFF_BUCKET = 6
RECENT_DAYS = 91


@dataclass(frozen=True)
class Block:
    """A block of the lender.

    Attributes:
        index: number of the block; with the seed it fixes every random draw.
        seed: the lender's seed.
        months: month-end snapshots.
        first_account: number of the block's first account.
        accounts: accounts in the block.
        applications: undecided applications of the last day.
        id_stride: numbers that each block may use for customers, applications and pulls.
        load_id: written to every row.
    """

    index: int
    seed: int
    months: int
    first_account: int
    accounts: int
    applications: int
    id_stride: int
    load_id: str

    def tables(self) -> dict[str, pa.Table]:
        """Every table that the block fills."""
        rng = np.random.default_rng([self.seed, self.index])
        book = _Book(self, rng)
        run = _simulate(book, rng)
        asked = _ask(book, run, rng)
        columns = {
            "customers": _customers(book, run, asked, rng),
            "accounts": _accounts(book, run),
            "loan_servicing": run.servicing,
            "payments": run.payments,
            "bureau_pulls": _pulls(book, run, asked, rng),
            "applications": _applications(book, asked, rng),
            "default_events": _defaults(book, run),
        }
        return {name: _with_load_id(name, rows, self.load_id) for name, rows in columns.items()}


def _with_load_id(name: str, rows: list[pa.Array] | list[list[pa.Array]], load_id: str) -> pa.Table:
    """A table from its columns, or from one list of columns per month."""
    chunks = rows if isinstance(rows[0], list) else [rows]
    names = TABLES[name].schema.names
    return pa.concat_tables(pa.table([*chunk, constant(load_id, len(chunk[0]))], names=names) for chunk in chunks)


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _month_start(month: int | np.ndarray, months: int) -> np.ndarray:
    """First day of a month of the window, as int64 days."""
    return (LAST_MONTH + (np.asarray(month) - months + 1)).astype("datetime64[D]").astype(np.int64)


class _Book:
    """The people of the block, and the accounts that they open."""

    def __init__(self, block: Block, rng: np.random.Generator):
        n, months = block.accounts, block.months
        self.block = block
        self.owner = np.repeat(np.arange(n), rng.choice(4, n, p=(0.77, 0.15, 0.06, 0.02)) + 1)[:n]
        self.owners = int(self.owner[-1]) + 1
        self.first_of_owner = np.flatnonzero(np.diff(self.owner, prepend=-1))

        self.is_loan = rng.random(n) < 0.55
        self.term = rng.choice((24, 36, 48, 60), n, p=(0.2, 0.4, 0.2, 0.2))
        age = 1 + np.floor(rng.random(n) * np.where(self.is_loan, self.term - 3, 96)).astype(int)
        self.opened_month = np.where(rng.random(n) < 0.6, -age, rng.integers(0, months, n))
        self.due_day = rng.integers(1, 29, n)
        self.opened_on = _month_start(self.opened_month, months) + self.due_day - 1

        declined = round((self.opened_month >= 0).sum() * 0.35 / 0.65)
        self.declined_person = self._applicants(rng, declined, self.owners, known=0.3)
        newest = max(self.owners, int(self.declined_person.max(initial=-1)) + 1)
        self.undecided_person = self._applicants(rng, block.applications, newest, known=0.4)
        self.people = max(newest, int(self.undecided_person.max(initial=-1)) + 1)

        self.risk = rng.standard_normal(self.people)
        self.risk[self.owners : newest] = 0.8 + self.risk[self.owners : newest]
        self.risk[newest:] = 0.3 + 1.05 * self.risk[newest:]
        self.stress = rng.standard_normal(self.people)
        self.stress[self.owners :] += 0.3
        self.income = 5_000_000 * np.exp(0.45 * rng.standard_normal(self.people) - 0.2 * self.risk)
        self.has_file = rng.random(self.people) >= 0.15
        self.employment_years = np.minimum(rng.exponential(6 * np.exp(-0.25 * self.risk)), 40)

        # Price and limit follow the risk that the lender observed, not the true risk.
        risk = self.risk[self.owner] * 0.7 + 0.7 * rng.standard_normal(n)
        amount = np.where(self.is_loan, 9_000, 6_000) * np.exp(0.6 * rng.standard_normal(n) - 0.2 * risk)
        self.limit = np.clip(np.rint(amount / 100), 10, 500).astype(np.int64) * 10_000
        apr = np.where(self.is_loan, 0.125 + 0.035 * risk, 0.20 + 0.025 * risk) + 0.01 * rng.standard_normal(n)
        self.apr = np.rint(np.clip(apr, 0.049, 0.359) * 10_000) / 10_000
        growth = 1 + self.apr / 12
        full = growth**self.term
        self.installment = np.rint(self.limit * (growth - 1) * full / (full - 1)).astype(np.int64)
        age = np.maximum(-self.opened_month, 0)
        left = np.clip((full - growth**age) / (full - 1), 0, 1)
        used = _logistic(-1.0 + 0.6 * self.risk[self.owner] + rng.standard_normal(n)) * np.where(age > 0, 1, 0.4)
        self.balance = np.rint(self.limit * np.where(self.is_loan, left, used)).astype(np.int64)

    @staticmethod
    def _applicants(rng: np.random.Generator, count: int, people: int, known: float) -> np.ndarray:
        """Persons who apply: each is either one of `people` or somebody new, numbered from `people` on."""
        new = rng.random(count) >= known
        person = rng.integers(0, people, count)
        person[new] = people + np.arange(new.sum())
        return person

    @cached_property
    def account_ids(self) -> pa.Array:
        return strings(ids("A", self.block.first_account + np.arange(self.block.accounts)))

    def numbers(self, local: int | np.ndarray) -> np.ndarray:
        """Turn numbers within this block into numbers that are unique over all blocks."""
        return self.block.index * self.block.id_stride + np.asarray(local)

    @cached_property
    def customer_ids(self) -> pa.Array:
        return strings(ids("C", self.numbers(np.arange(self.people))))


@dataclass
class _Run:
    """What happened: the two tall tables, and what the short ones need.

    stress and missed (the largest number of missed installments over a customer's accounts) have shape (months,
    owners). The other arrays have one entry per account, with -1 for "never".
    """

    servicing: list[list[pa.Array]]
    payments: list[list[pa.Array]]
    stress: np.ndarray
    missed: np.ndarray
    closed_on: np.ndarray
    defaulted_on: np.ndarray
    reason: np.ndarray


def _simulate(book: _Book, rng: np.random.Generator) -> _Run:
    months, n = book.block.months, book.block.accounts
    starts = _month_start(np.arange(-12, months + 1), months)
    absolute = (LAST_MONTH - np.datetime64("2000-01", "M")).astype(int) - months + 1 + np.arange(months)
    economy = 0.15 * np.sin(2 * np.pi * absolute / 54)

    run = _Run(
        [],
        [],
        stress=np.empty((months, book.owners), dtype=np.float32),
        missed=np.zeros((months, book.owners), dtype=np.int8),
        closed_on=np.full(n, -1),
        defaulted_on=np.full(n, -1),
        reason=np.full(n, -1),
    )
    stress = book.stress[: book.owners].copy()
    risk = 0.95 * book.risk[book.owner]
    habit = rng.standard_normal(n)  # how much of a limit a customer uses, whatever the risk
    pays_in_full = rng.random(n) < _logistic(-0.8 - 0.9 * book.risk[book.owner])
    method_of = rng.choice(4, n, p=(0.62, 0.22, 0.11, 0.05))
    balance = book.balance.copy()
    missed = np.zeros(n, dtype=np.int64)
    early = rng.random(n) < _logistic(-4.0 + book.risk[book.owner])
    missed[(book.opened_month < -2) & (balance > 0) & early] = 1
    gone = np.zeros(n, dtype=bool)

    for month in range(months):
        start, length = starts[month + 12], starts[month + 13] - starts[month + 12]
        stress = STRESS_MEMORY * stress + np.sqrt(1 - STRESS_MEMORY**2) * rng.standard_normal(book.owners)
        run.stress[month] = stress
        i = np.flatnonzero((book.opened_month <= month) & ~gone)
        if not len(i):
            continue
        age = month - book.opened_month[i]
        new, loan, before = age == 0, book.is_loan[i], missed[i]
        limit, day = book.limit[i], book.due_day[i]
        owed = np.where(new, 0, np.maximum(balance[i], 0) * (book.apr[i] / 12))
        owed = balance[i] + np.rint(owed).astype(np.int64)
        least = np.minimum(np.maximum(2_500, np.rint(0.03 * balance[i]).astype(np.int64)), np.maximum(balance[i], 0))
        scheduled = np.where(new, 0, np.where(loan, np.minimum(book.installment[i], owed), least))
        due = scheduled > 0

        # Who misses an installment, who catches up, and who has a sudden event.
        season = age / 13 * np.exp(1 - age / 13)
        strain = risk[i] + 0.8 * stress[book.owner[i]] + economy[month]
        pull = strain + 0.5 * season + np.where(loan, 0.1, 0)
        chance, cure, fate, tie, late = (rng.random(len(i)) for _ in range(5))
        rolls = (chance < _logistic(ROLL_LEVEL[before] + ROLL_SLOPE[before] * pull)) & due
        after = np.where(cure < 0.35, 0, np.where(cure < 0.55, np.maximum(before - 1, 0), before))
        after = np.where(rolls, before + 1, np.where(due, after, 0))
        sudden = np.exp(0.7 * pull)
        bankrupt = fate < 0.00025 * sudden
        written_off = (after >= CHARGE_OFF_BUCKET) | bankrupt | ((before >= 2) & (fate > 0.985))
        reported = (fate > 0.5) & (fate < 0.5 + 0.00012 * sudden)
        leaves = (before == 0) & ~rolls & ~new & ~written_off & (fate > np.where(loan, 0.993, 0.9965)) & (fate < 0.9995)

        # Payments: the installments that the change in missed ones implies, and what card holders add.
        generosity = np.exp(0.8 * rng.standard_normal(len(i)) - 0.5 * strain)
        extra = np.where(loan, np.where(tie < 0.03, 0.5, 0), generosity)
        willing = np.where(pays_in_full[i] & ~loan, owed, np.rint(scheduled * (1 + extra)).astype(np.int64))
        count = before + 1 - after
        paid = np.where(count == 1, willing, count * scheduled)
        part = np.where(late < 0.45, np.rint(scheduled * (0.2 + 1.3 * late)).astype(np.int64), 0)
        paid = np.where(due, np.where(rolls, part, np.minimum(np.maximum(paid, scheduled), owed)), 0)
        overpaid = ~loan & pays_in_full[i] & (tie > 0.995) & ~rolls
        paid = np.where(overpaid, paid + 1_500, np.where(leaves, np.maximum(owed, 0), paid))

        # Drawings: a card's balance moves towards its holder's target. There are none once two installments are missed.
        target = limit * _logistic(-1.2 + 0.9 * habit[i] + 0.7 * strain)
        drawn = np.maximum(target - (owed - paid), 0) * (0.15 + 0.5 * rng.random(len(i)))
        drawn = np.where(loan | (after > 1) | leaves | written_off, 0, np.rint(drawn).astype(np.int64))
        left = owed - paid + drawn
        after = np.where(left <= 0, 0, after)
        closes = ~written_off & ((loan & ~new & (left <= 0)) | leaves)
        left = np.where(closes, 0, left)

        balance[i], missed[i] = left, after
        gone[i] = closes | written_off
        end = start + length - 1
        oldest_unpaid = starts[month + 12 - np.maximum(after - 1, 0)] + day - 1
        dpd = np.where(after > 0, np.maximum(end - oldest_unpaid, 1), 0)
        status = np.select([written_off, closes, dpd > 0], [CHARGED_OFF, CLOSED, DELINQUENT], CURRENT)

        reason = np.select(
            [bankrupt, dpd >= 90, written_off, reported], [BANKRUPTCY, NINETY_DPD, CHARGE_OFF, REPORTED], -1
        )
        first = (reason >= 0) & (run.reason[i] < 0)
        run.reason[i[first]] = reason[first]
        on_the_day = np.where(reason == NINETY_DPD, end, start + np.floor(length * tie).astype(np.int64))
        run.defaulted_on[i[first]] = np.maximum(on_the_day, book.opened_on[i])[first]
        run.missed[month] = np.maximum.reduceat(np.where(gone & (missed < 2), 0, missed), book.first_of_owner)

        # When and how it is paid.
        tardy = late > _logistic(2.3 - 0.7 * strain)
        delay = np.where(tardy, 3 + np.floor(14 * tie), np.floor(4.99 * tie) - 3).astype(np.int64)
        delay = np.where(count > 1, np.floor(length * tie).astype(np.int64) - day, delay)
        paid_day = np.clip(day + delay, 1, length)
        run.closed_on[i[closes]] = np.where(paid > 0, start + paid_day - 1, end)[closes]
        split = (cure > 0.94) & (paid > 1_000)
        second = np.where(split, np.rint(paid * (0.3 + 0.4 * tie)).astype(np.int64), 0)
        bounces = due & (fate % 0.01 * 100 < np.where(rolls, 0.25, _logistic(-4.5 + 0.7 * strain)))
        run.payments.append(
            _ledger(
                book,
                rng,
                month,
                start,
                i,
                method_of[i],
                amount=np.column_stack([paid - second, second, np.where(bounces, scheduled, 0)]),
                day=np.column_stack([paid_day, np.minimum(paid_day + 6, length), np.minimum(day + 1, length)]),
            )
        )
        run.servicing.append(_servicing(book, rng, end, i, left, scheduled, paid, dpd, status))
    return run


def _servicing(
    book: _Book,
    rng: np.random.Generator,
    end: int,
    account: np.ndarray,
    balance: np.ndarray,
    scheduled: np.ndarray,
    paid: np.ndarray,
    dpd: np.ndarray,
    status: np.ndarray,
) -> list[pa.Array]:
    """The month's rows. One in 200 lands wrong, in the account's favour, and is corrected weeks later."""
    n = len(account)
    corrected = (rng.random(n) < 0.005) & (scheduled > 0) & (status < CHARGED_OFF)
    row = np.sort(np.concatenate([np.arange(n), np.flatnonzero(corrected)]))
    wrong = np.zeros(len(row), dtype=bool)
    wrong[:-1] = row[1:] == row[:-1]
    delay = np.zeros(len(row), dtype=np.int64)
    delay[1:][wrong[:-1]] = rng.integers(20, 46, wrong.sum())
    off = np.where(wrong, scheduled[row] // 2, 0)
    dpd = np.maximum(dpd[row] - np.where(wrong, 30, 0), 0)
    status = np.where(wrong, np.where(dpd > 0, DELINQUENT, CURRENT), status[row])
    account = account[row]
    return [
        pick(book.account_ids, account),
        dates(np.full(len(row), end)),
        decimals(balance[row] - off),
        decimals(book.limit[account]),
        decimals(scheduled[row]),
        decimals(paid[row] + off),
        integers(dpd),
        pick(STATUSES, status),
        nights_after(end + delay),
    ]


def _ledger(
    book: _Book,
    rng: np.random.Generator,
    month: int,
    start: int,
    account: np.ndarray,
    method: np.ndarray,
    amount: np.ndarray,
    day: np.ndarray,
) -> list[pa.Array]:
    """The month's payments. The columns of amount and day are the main payment, a second one, and a returned one."""
    row, slot = np.nonzero(amount)
    amount, day, account, method = amount[row, slot], day[row, slot], account[row], method[row]
    other = rng.random(len(row))
    method = np.where(other < 0.1, np.floor(other * 40).astype(np.int64), method)
    mistyped = np.flatnonzero(other > 0.999)
    row = np.sort(np.concatenate([np.arange(len(row)), mistyped]))
    wrong = np.zeros(len(row), dtype=bool)
    wrong[:-1] = row[1:] == row[:-1]
    delay = np.zeros(len(row), dtype=np.int64)
    delay[1:][wrong[:-1]] = rng.integers(20, 46, len(mistyped))
    account, slot, paid_on = account[row], slot[row], start + day[row] - 1
    number = (book.block.first_account + account) * 1_000 + month * 3 + slot
    return [
        strings(ids("T", number, digits=11)),
        pick(book.account_ids, account),
        dates(paid_on),
        decimals(amount[row] + np.where(wrong, 1_000, 0)),
        pick(METHODS, method[row]),
        pa.array(slot == 2),
        nights_after(paid_on + delay),
    ]


def _accounts(book: _Book, run: _Run) -> list[pa.Array]:
    """One row per account, and a second one when it closes."""
    n = book.block.accounts
    account = np.concatenate([np.arange(n), np.flatnonzero(run.closed_on >= 0)])
    closing = np.arange(len(account)) >= n
    opened_on, closed_on, loan = book.opened_on[account], run.closed_on[account], book.is_loan[account]
    return [
        pick(book.account_ids, account),
        pick(book.customer_ids, book.owner[account]),
        pick(PRODUCTS, np.where(loan, 0, 1)),
        dates(opened_on),
        decimals(book.limit[account]),
        decimals(np.rint(book.apr[account] * 1e6), RATE),
        integers(book.term[account], null=~loan),
        dates(closed_on, null=~closing),
        nights_after(np.where(closing, closed_on, opened_on)),
    ]


def _defaults(book: _Book, run: _Run) -> list[pa.Array]:
    account = np.flatnonzero(run.reason >= 0)
    day = run.defaulted_on[account]
    return [pick(book.account_ids, account), dates(day), pick(DEFAULT_REASONS, run.reason[account]), nights_after(day)]


@dataclass
class _Asked:
    """The applications, one entry each: approved (one per account, in their order), declined, undecided."""

    person: np.ndarray
    applied_on: np.ndarray
    decided_on: np.ndarray
    kind: np.ndarray
    stress: np.ndarray


def _ask(book: _Book, run: _Run, rng: np.random.Generator) -> _Asked:
    n, declined, undecided = book.block.accounts, len(book.declined_person), book.block.applications
    person = np.concatenate([book.owner, book.declined_person, book.undecided_person])
    first = int(_month_start(0, book.block.months))
    refused_on = rng.integers(first, LAST_DAY - 6, declined)
    applied_on = np.concatenate([book.opened_on - rng.integers(1, 11, n), refused_on, np.full(undecided, LAST_DAY)])
    decided_on = np.concatenate([book.opened_on, refused_on + rng.integers(2, 7, declined), np.full(undecided, -1)])
    kind = np.repeat((APPROVED, DECLINED, UNDECIDED), (n, declined, undecided))
    return _Asked(person, applied_on, decided_on, kind, _stress(book, run, person, applied_on))


def _month_of(book: _Book, day: np.ndarray) -> np.ndarray:
    """Month of the window that contains each day; negative before the window."""
    month = np.asarray(day).astype("datetime64[D]").astype("datetime64[M]")
    return (month - LAST_MONTH).astype(int) + book.block.months - 1


def _stress(book: _Book, run: _Run, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """A person's stress on a day. A person without a history has the first known value."""
    month = np.clip(_month_of(book, day), 0, book.block.months - 1)
    return np.where(person < book.owners, run.stress[month, person % book.owners], book.stress[person])


def _applications(book: _Book, asked: _Asked, rng: np.random.Generator) -> list[pa.Array]:
    """One row per application. Those decided in the last three months also have a row from before the decision."""
    n, total = book.block.accounts, len(asked.person)
    lot = total - n
    loan = np.concatenate([book.is_loan, rng.random(lot) < 0.6])
    term = np.concatenate([book.term, rng.choice((24, 36, 48, 60), lot)])
    granted = np.concatenate([book.limit / 100, 8_500 * np.exp(0.6 * rng.standard_normal(lot))])
    wanted = np.clip(np.rint(granted * (1 + 0.3 * rng.random(total)) / 100), 5, 900).astype(np.int64) * 10_000
    stated = np.rint(book.income[asked.person] * np.exp(0.05 + 0.08 * rng.standard_normal(total)) / 1e4) * 10_000
    risk = book.risk[asked.person]
    purpose = rng.choice(len(PURPOSES), total, p=(0.36, 0.16, 0.1, 0.12, 0.06, 0.08, 0.12))
    strained = rng.random(total) < _logistic(0.5 * asked.stress + 0.3 * risk - 0.4)
    narrative = np.where(rng.random(total) < 0.05, -1, purpose * 6 + strained * 3 + rng.integers(0, 3, total))
    rents = rng.random(total) < _logistic(-0.3 + 0.4 * risk)
    owns = np.where(rng.random(total) < 0.55, 1, np.where(rng.random(total) < 0.9, 0, 3))
    channel = rng.choice(4, total, p=(0.2, 0.4, 0.3, 0.1))
    years = np.rint(book.employment_years[asked.person] * 10) * 10

    recent = (asked.kind != UNDECIDED) & (asked.applied_on >= LAST_DAY - RECENT_DAYS)
    row = np.sort(np.concatenate([np.arange(total), np.flatnonzero(recent)]))
    pending = asked.kind[row] == UNDECIDED
    pending[:-1] |= row[1:] == row[:-1]
    known_on = np.where(pending, asked.applied_on[row], asked.decided_on[row])
    return [
        strings(ids("P", book.numbers(row))),
        pick(book.customer_ids, asked.person[row]),
        dates(asked.applied_on[row]),
        pick(PRODUCTS, np.where(loan[row], 0, 1)),
        decimals(wanted[row]),
        integers(term[row], null=~loan[row]),
        decimals(stated[row], null=rng.random(total)[row] < 0.03),
        pick(PURPOSES, purpose[row]),
        pick(CHANNELS, channel[row]),
        pick(HOMES, np.where(rents, 2, owns)[row]),
        decimals(years[row], YEARS, null=rng.random(total)[row] < 0.04),
        pick(NARRATIVES, narrative[row]),
        pick(DECISIONS, np.where(pending, -1, asked.kind[row])),
        pick(book.account_ids, np.where(pending | (row >= n), -1, row)),
        nights_after(known_on),
    ]


def _customers(book: _Book, run: _Run, asked: _Asked, rng: np.random.Generator) -> list[pa.Array]:
    """One row per person from the first application on. One owner in ten reports a new income later."""
    people = book.people
    met_on = np.full(people, LAST_DAY)
    np.minimum.at(met_on, asked.person, asked.applied_on)
    state = rng.integers(0, len(STATES), people)
    born_on = LAST_DAY - np.floor(365.25 * (26 + 50 * rng.beta(1.6, 2.4, people))).astype(np.int64)
    years = (met_on - born_on) / 365.25
    draw = rng.random(people)
    working = np.where(draw < 0.14, SELF_EMPLOYED, EMPLOYED)
    working = np.where(rng.random(people) < 0.05 * np.exp(0.5 * book.risk), UNEMPLOYED, working)
    employment = np.select([years > 64, (years < 26) & (draw > 0.6)], [RETIRED, STUDENT], working)
    employment = np.where(rng.random(people) < 0.03, -1, employment)
    income = np.rint(book.income * np.where(employment == UNEMPLOYED, 0.5, 1) / 1e4) * 10_000

    first = int(_month_start(0, book.block.months))
    told_on = rng.integers(first, LAST_DAY, people)
    tells = np.flatnonzero((rng.random(people) < 0.1) & (told_on > met_on) & (np.arange(people) < book.owners))
    lost_job = (_stress(book, run, tells, told_on[tells]) > 0.8) & (employment[tells] <= SELF_EMPLOYED)
    change = np.exp(0.05 + 0.12 * rng.standard_normal(len(tells))) * np.where(lost_job, 0.5, 1)

    person = np.concatenate([np.arange(people), tells])
    known_on = np.concatenate([met_on, told_on[tells]])
    employment = np.concatenate([employment, np.where(lost_job, UNEMPLOYED, employment[tells])])
    income = np.concatenate([income, np.rint(income[tells] * change / 1e4) * 10_000])
    numbers = book.numbers(person)
    return [
        pick(book.customer_ids, person),
        dates(born_on[person]),
        pick(STATES, state[person]),
        pick(EMPLOYMENT, employment),
        decimals(income, null=rng.random(people)[person] < 0.02),
        strings(ids("Customer ", numbers)),
        strings(ids("c", numbers, suffix="@example.invalid")),
        nights_after(known_on),
    ]


def _pulls(book: _Book, run: _Run, asked: _Asked, rng: np.random.Generator) -> list[pa.Array]:
    """One pull at each application and one per quarter, for everybody whom the bureau knows."""
    months = book.block.months
    quarter, owner = np.nonzero(np.arange(months)[:, None] % 3 == rng.integers(0, 3, book.owners)[None, :])
    on = _month_start(quarter, months) + rng.integers(0, 28, len(quarter))
    known_since = np.full(book.owners, LAST_DAY)
    np.minimum.at(known_since, asked.person[: book.block.accounts], asked.applied_on[: book.block.accounts])
    refresh = on > known_since[owner]
    at_asking = rng.random(len(asked.person)) < np.where(asked.kind == UNDECIDED, 0.95, 1.0)
    person = np.concatenate([asked.person[at_asking], owner[refresh]])
    day = np.concatenate([asked.applied_on[at_asking], on[refresh]])
    seen = book.has_file[person]
    person, day = person[seen], day[seen]
    n = len(person)

    # The bureau knows last month's arrears, not this month's.
    worst = _trailing_max(run.missed, 24)
    recent = _trailing_max(run.missed, 6)
    month = _month_of(book, day) - 1
    known = (person < book.owners) & (month >= 0)
    cell = np.maximum(month, 0), np.where(known, person, 0)
    worst, recent = np.where(known, worst[cell], 0), np.where(known, recent[cell], 0)
    risk, stress = book.risk[person], _stress(book, run, person, day)
    elsewhere = rng.random(n) < _logistic(-3.0 + 0.8 * risk + 0.3 * stress)
    worst = np.minimum(np.maximum(worst, np.where(elsewhere, rng.integers(1, 5, n), 0)), 6)
    bias = 30 * rng.standard_normal(book.people)
    score = 700 - 38 * risk - 24 * stress - 18 * recent - 8 * worst + bias[person] + 22 * rng.standard_normal(n)
    score = np.rint(np.clip(score, 300, 850))
    wrong = np.flatnonzero(rng.random(n) < 0.002)

    row = np.sort(np.concatenate([np.arange(n), wrong]))
    early = np.zeros(len(row), dtype=bool)
    early[:-1] = row[1:] == row[:-1]
    delay = np.zeros(len(row), dtype=np.int64)
    delay[1:][early[:-1]] = rng.integers(20, 46, len(wrong))
    used = np.clip(_logistic(-0.8 + 0.5 * risk + 0.45 * stress + 0.7 * rng.standard_normal(n)) * 1.1, 0, 1.5)
    return [
        strings(ids("B", book.numbers(0) * 100 + row, digits=10)),
        pick(book.customer_ids, person[row]),
        dates(day[row]),
        integers(np.maximum(score[row] - 9 * early, 300), null=rng.random(n)[row] < 0.02),
        integers(rng.poisson(np.exp(np.clip(-0.2 + 0.2 * risk + 0.3 * stress, -4, 3)))[row]),
        integers((1 + rng.poisson(5, n))[row]),
        decimals(np.rint(used * 1e6)[row], RATE, null=rng.random(n)[row] < 0.03),
        integers(30 * worst[row], null=rng.random(n)[row] < 0.02),
        integers(rng.poisson(np.exp(np.clip(-2.6 + 0.8 * risk, -6, 2)))[row]),
        nights_after(day[row] + delay),
    ]


def _trailing_max(values: np.ndarray, months: int) -> np.ndarray:
    """Largest value of each column over the trailing months, the current one included."""
    out = values.copy()
    for lag in range(1, min(months, len(values))):
        np.maximum(out[lag:], values[:-lag], out=out[lag:])
    return out
