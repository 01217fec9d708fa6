"""Scored nights: which run scored one, which keys it has, and which landed rows its run did not see."""

from dataclasses import dataclass
from datetime import date

from nightbook.catalog import scoring_models
from nightbook.catalog.scoring_models import ScoringModel
from nightbook.engine import warehouse
from nightbook.errors import NightbookError

# Columns that a run record of an earlier version lacks.
_CODE = ("git_commit", "is_dirty", "manifest_digest", "library_digest", "lock_digest", "tests_digest", "engine",
         "versions", "pinned_versions")  # fmt: skip


@dataclass(frozen=True)
class Night:
    """A scored night: its date, its run (a row of fct_runs), and the version of each model that scored."""

    as_of_date: date
    run: dict
    versions: dict[str, int]


@dataclass(frozen=True)
class Chosen:
    """Keys of one kind, and a query that returns them in column `key`."""

    sql: str
    keys: list[str]


def compared() -> list[tuple[str, str, str, str]]:
    """What a reproduction compares: kind, relation, its column of the chosen keys, its key."""
    models = scoring_models.read().values()
    found = [(one.entity, f"marts.{one.scores}", one.key, one.key) for one in models]
    found += [(one.entity, f"scoring.{one.inputs}", one.key, one.key) for one in models if one.inputs]
    found += [
        (one.entity, f"marts.{one.contributions}", one.key, f"{one.key} || ' ' || feature")
        for one in models
        if one.contributions
    ]
    return list(dict.fromkeys(found))


def scored_night(query: warehouse.Query, as_of: date) -> Night:
    """The run that wrote a night's scores.

    Raises:
        NightbookError: the night was never scored, or was written by no single recorded run.
    """
    runs, versions = set(), {}
    for relation in dict.fromkeys(model.scores for model in scoring_models.read().values()):
        if warehouse.has(query, "marts", relation):
            for row in query(
                f"select distinct run_id, model_name, model_version from marts.{relation} where as_of_date = ?", [as_of]
            ):
                runs.add(row["run_id"])
                versions[row["model_name"]] = row["model_version"]
    if not runs:
        raise NightbookError(f"the night of {as_of} was never scored; scored nights: {_known_nights(query)}")
    run_id = max(runs)
    record = query("select * from audit.run_log where run_id = ?", [run_id])
    if len(runs) > 1 or not record:
        raise NightbookError(
            f"the night of {as_of} was written by run {' and '.join(sorted(runs))}, which "
            f"{'is more than one run' if len(runs) > 1 else 'did not finish'}: "
            f"`python orchestrate.py backfill --from {as_of} --to {as_of}` scores it again"
        )
    return Night(as_of, dict.fromkeys(_CODE) | record[0], versions)


def chosen(
    query: warehouse.Query, night: Night, account: str | None, application: str | None, sample: int | None
) -> dict[str, Chosen] | None:
    """The chosen keys of a night, by kind. None means all of them.

    Raises:
        NightbookError: a key was not scored on that night.
    """
    if account is None and application is None and sample is None:
        return None
    return {
        kind: _chosen(query, night, scoring_models.of_entity(kind), key, sample)
        for kind, key in zip(scoring_models.ENTITIES, (account, application), strict=True)
    }


def _chosen(
    query: warehouse.Query, night: Night, models: list[ScoringModel], key: str | None, sample: int | None
) -> Chosen:
    column = models[0].key
    scored = " union ".join(
        f"select {column} as key from marts.{model.scores} where as_of_date = date '{night.as_of_date}'"
        for model in models
        if warehouse.has(query, "marts", model.scores)
    )
    if key is not None:
        if not scored or not query(f"select 1 as found from ({scored}) as scored where key = ?", [key]):
            raise NightbookError(never_scored(query, models[0], key, night.as_of_date))
        sql = f"select {warehouse.literal(key)} as key"
    elif sample is not None and scored:
        sql = f"select key from ({scored}) as scored order by md5(key || '{night.as_of_date}'), key limit {sample}"
    else:
        return Chosen("select key from (select '' as key) as nobody where key <> ''", [])
    return Chosen(sql, [row["key"] for row in query(sql)])


def never_scored(query: warehouse.Query, model: ScoringModel, key: str, as_of: date) -> str:
    """The message for a key without a score on a date: when the model scored it instead, or that it is unknown."""
    kind = model.entity
    [found] = query(
        "select count(*) as nights, min(as_of_date) as first_date, max(as_of_date) as last_date"
        f" from marts.{model.scores} where {model.key} = ?",
        [key],
    )
    if found["nights"]:
        return (
            f"{kind} {key} was not scored as of {as_of}: it was scored on {found['nights']} nights, from"
            f" {found['first_date']} to {found['last_date']}"
        )
    if query(f"select 1 from raw.{kind}s where {model.key} = ? limit 1", [key]):
        return f"{kind} {key} was never scored: it has landed, but was closed, decided or in default on every night"
    return f"no {kind} {key} has ever landed or been scored"


def landed_otherwise(query: warehouse.Query, night: Night) -> list[str]:
    """Loads whose number of rows known at the cutoff differs from what the run saw."""
    notes = []
    for relation in ("loan_servicing", "payments", "bureau_pulls", "accounts"):
        notes += [
            f"raw.{relation}, load {row['load_id']}: {row['rows_now']} rows known at the cutoff,"
            f" {row['rows_seen']} in the run"
            for row in query(
                f"""
                select
                    coalesce(landed.load_id, seen.load_id) as load_id,
                    coalesce(rows_now, 0) as rows_now,
                    coalesce(rows_seen, 0) as rows_seen
                from (
                    select _load_id as load_id, count(*) as rows_now
                    from raw.{relation} where _loaded_at <= ? group by 1
                ) as landed
                full outer join (
                    select load_id, sum(row_count) as rows_seen from intermediate.int_landings
                    where run_id = ? and relation_name = ? group by 1
                ) as seen on landed.load_id = seen.load_id
                where rows_now is distinct from rows_seen
                order by 1
                """,
                [night.run["known_at"], night.run["run_id"], relation],
            )
        ]
    return notes


def _known_nights(query: warehouse.Query) -> str:
    nights = [
        row["as_of_date"]
        for row in query(
            "select distinct as_of_date from audit.run_log where accounts_scored is not null order by as_of_date"
        )
    ] if warehouse.has(query, "audit", "run_log") else []  # fmt: skip
    if not nights:
        return "none"
    return f"{len(nights)}, from {nights[0]} to {nights[-1]}" if len(nights) > 1 else f"only {nights[0]}"
