"""Plan a backfill: which past dates to score, with which versions, and which dates are done already."""

from dataclasses import dataclass
from datetime import date, datetime, time

from nightbook import provenance
from nightbook.catalog import scoring_models
from nightbook.engine import warehouse
from nightbook.errors import NightbookError
from nightbook.landing.contract import TABLES
from nightbook.registry.record import Record
from nightbook.trail import scored_nights
from runner import promotions


@dataclass(frozen=True)
class Date:
    """A past date to score.

    `versions` has the form of NIGHTBOOK_VERSIONS. `is_done` means that scoring again would give the same scores.
    """

    as_of_date: date
    versions: str
    is_done: bool


def plan(first: date, last: date, pinned: dict[str, int]) -> list[Date]:
    """List the dates from `first` to `last` that have a snapshot, in order.

    Each date is scored by the versions that were champions at the end of that day. A version in `pinned` takes the
    place of its model's champion; it must have been champion at some time.

    A date is done if a successful run scored it with the same versions and the same code, and would see the same rows
    now.

    Raises:
        NightbookError: no such date has a snapshot, a model had no champion then, or a pinned version was never
            champion.
    """
    if first > last:
        raise NightbookError(f"--from {first} is later than --to {last}: swap them")
    record = promotions.record()
    if not record.model_names:
        raise NightbookError("no model is registered: train and approve one before scoring past dates")
    for name, version in pinned.items():
        record.once_champion(name, version)
    with warehouse.asking() as query:
        dates = [
            row["snapshot_date"]
            for row in query(
                "select distinct snapshot_date from raw.loan_servicing where snapshot_date between ? and ? order by 1",
                [first, last],
            )
        ]
        if not dates:
            [known] = query("select min(snapshot_date) as first, max(snapshot_date) as last from raw.loan_servicing")
            raise NightbookError(
                f"no snapshot from {first} to {last}: snapshots exist from {known['first']} to {known['last']}"
            )
        versions = {as_of: _versions(record, as_of, pinned) for as_of in dates}
        done = _done(query, versions)
    return [Date(as_of, versions[as_of], as_of in done) for as_of in dates]


def _versions(record: Record, as_of: date, pinned: dict[str, int]) -> str:
    chosen = dict(pinned)
    for name in record.model_names:
        if name not in chosen:
            version = record.champion_at(name, datetime.combine(as_of, time.max))
            if version is None:
                moves = record.moves(name)
                since = f"its first one was approved at {moves[0].promoted_at}" if moves else "it has none yet"
                raise NightbookError(
                    f"{name} had no champion on {as_of}, {since}: choose the version with --with-champion {name}=N"
                )
            chosen[name] = version
    return " ".join(f"{name}={version}" for name, version in sorted(chosen.items()))


def _done(query: warehouse.Query, versions: dict[date, str]) -> set[date]:
    code = provenance.code_digests()
    landed = max(
        (
            row["last"]
            for table in TABLES
            if warehouse.has(query, "raw", table)
            for row in query(f"select max(_loaded_at) as last from raw.{table}")
            if row["last"]
        ),
        default=datetime.min,
    )
    done = set()
    for as_of, wanted in versions.items():
        try:
            night = scored_nights.scored_night(query, as_of)
        except NightbookError:
            continue
        chosen = dict(part.split("=") for part in wanted.split())
        if (
            night.run["outcome"] == "succeeded"
            and night.run["known_at"] >= landed
            and all(chosen.get(name) == str(version) for name, version in night.versions.items())
            and all(night.run[name] == digest for name, digest in code.items())
            and _stands_whole(query, night)
            and not scored_nights.landed_otherwise(query, night)
        ):
            done.add(as_of)
    return done


def _stands_whole(query: warehouse.Query, night: scored_nights.Night) -> bool:
    """Whether the published rows of the run are still complete."""
    for kind in scoring_models.ENTITIES:
        # The run log counts what the first model of each scored.
        relation = scoring_models.of_entity(kind)[0].scores
        [found] = query(
            f"select count(*) as row_count from marts.{relation} where as_of_date = ? and run_id = ?",
            [night.as_of_date, night.run["run_id"]],
        )
        if found["row_count"] != night.run[f"{kind}s_scored"]:
            return False
    return True
