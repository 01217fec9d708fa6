"""Scores of a past night derived anew, from the raw rows that its run could see, and compared with what is stored.

The night's rows are laid out in a home of their own, beside the warehouse, and the DAG is run there as of the night's
date, with the night's cutoff, model versions and code. Nothing that the warehouse keeps from night to night is looked
at, so what is compared has been computed in two ways.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path

import duckdb

from nightbook import builds, home, provenance, warehouse
from nightbook.errors import NightbookError
from nightbook.landing.contract import TABLES

SCORES = {"account": ("fct_account_scores", "account_id"), "application": ("fct_application_scores", "application_id")}
# kind, relation, its column of the chosen keys, its key
_COMPARED = (
    ("account", "marts.fct_account_scores", "account_id", "account_id"),
    ("application", "marts.fct_application_scores", "application_id", "application_id"),
    ("account", "scoring.account_inputs", "account_id", "account_id"),
    ("application", "marts.fct_application_contributions", "application_id", "application_id || ' ' || feature"),
)
# What a run record of an earlier version does not say.
_CODE = ("git_commit", "is_dirty", "manifest_digest", "library_digest", "lock_digest", "engine", "versions",
         "pinned_versions")  # fmt: skip
# What belongs to the run, not to the score.
_OF_THE_RUN = ("run_id", "scored_at")
_SHOWN = 5
_SCRATCH = "reproduction-"
_OTHER_CODE = 3
# One process with the code in question on its path: parse, compare digests, build.
_DRIVER = f"""
import json, sys
from dbt.cli.main import dbtRunner
from nightbook import provenance
def invoke(*arguments):
    done = runner.invoke(["--quiet", "--log-level", "none", *arguments])
    if done.exception:
        sys.exit(str(done.exception))
    return done.result
runner = dbtRunner()
manifest = invoke("parse")
digests = provenance.code_digests()
if any(digests[name] != digest for name, digest in json.loads(sys.argv[1]).items()):
    sys.exit({_OTHER_CODE})
manifest.build_flat_graph()
runner = dbtRunner(manifest=manifest)
select = ["--select", "+fct_account_scores", "+fct_application_scores", "+fct_application_contributions"]
results = invoke("build", *select, "--exclude-resource-type", "test", "unit_test").results
failed = [one for one in results if one.status == "error"]
if failed:
    sys.exit(failed[0].node.name + ": " + " ".join((failed[0].message or "").split()))
"""


@dataclass(frozen=True)
class Night:
    """A scored night: its date, its run (a row of fct_runs), and the version of each model that scored."""

    as_of_date: date
    run: dict
    versions: dict[str, int]


@dataclass(frozen=True)
class Difference:
    """A stored value that is not the one derived anew; column `(row)` where one of the two has no such row."""

    relation: str
    key: str
    column: str
    stored: object
    derived: object

    def __str__(self) -> str:
        return f"{self.relation}, {self.key}: {self.column} is {self.stored} as stored, {self.derived} derived anew"


@dataclass
class Reproduction:
    """What was compared. compared, different: rows by relation; differences: the first few; notes: a line each."""

    night: Night
    code: str
    compared: dict[str, int] = field(default_factory=dict)
    different: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """True when every row compared is equal, column by column, to the bit."""
        return not any(self.different.values())


def reproduce(
    as_of: date, *, account: str | None = None, application: str | None = None, sample: int | None = None
) -> Reproduction:
    """Derive a night, a sample of it, or one score anew and compare.

    Args:
        as_of: the night's date.
        account: derive this account alone.
        application: derive this application alone.
        sample: derive so many accounts and at most so many applications, chosen by hash.

    Raises:
        NightbookError: the night or the key was never scored, or its code cannot be had.
    """
    with warehouse.asking() as query:
        night = scored_night(query, as_of)
        chosen = _chosen(query, night, account, application, sample)
    if not night.run["manifest_digest"] or not night.run["library_digest"]:
        raise NightbookError(
            f"the night of {as_of}, run {night.run['run_id']}: its record does not say by which code it was made;"
            " `explain` shows its stored inputs, model and contributions"
        )
    _sweep()
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-", dir=home.home()) as folder:
        scratch = Path(folder)
        _land(scratch, night, chosen)
        found = Reproduction(night, _derive(scratch, night), notes=_other_versions(night))
        _compare(scratch, found, chosen)
        if not found.is_equal:
            with warehouse.asking() as query:
                found.notes += landed_otherwise(query, night)
    return found


def as_dict(found: Reproduction) -> dict:
    """A reproduction for machines."""
    return {
        "as_of_date": found.night.as_of_date,
        "run_id": found.night.run["run_id"],
        "versions": found.night.versions,
        "code": found.code,
        "is_equal": found.is_equal,
        "compared": found.compared,
        "different": found.different,
        "differences": [asdict(one) for one in found.differences],
        "notes": found.notes,
    }


def scored_night(query: warehouse.Query, as_of: date) -> Night:
    """The run that wrote a night's scores.

    Raises:
        NightbookError: the night was never scored; says which nights were.
    """
    runs, versions = set(), {}
    for relation, _ in SCORES.values():
        if warehouse.has(query, "marts", relation):
            for row in query(
                f"select distinct run_id, model_name, model_version from marts.{relation} where as_of_date = ?", [as_of]
            ):
                runs.add(row["run_id"])
                versions[row["model_name"]] = row["model_version"]
    if not runs:
        raise NightbookError(f"no night of {as_of} was ever scored; {_known_nights(query)}")
    run_id = max(runs)
    record = query("select * from audit.run_log where run_id = ?", [run_id])
    if len(runs) > 1 or not record:
        raise NightbookError(
            f"the night of {as_of} was written by run {' and '.join(sorted(runs))}, which "
            f"{'is more than one' if len(runs) > 1 else 'did not come to its end'}: "
            f"`python orchestrate.py backfill --from {as_of} --to {as_of}` scores it anew"
        )
    return Night(as_of, dict.fromkeys(_CODE) | record[0], versions)


def _known_nights(query: warehouse.Query) -> str:
    nights = [
        row["as_of_date"]
        for row in query(
            "select distinct as_of_date from audit.run_log where accounts_scored is not null order by as_of_date"
        )
    ] if warehouse.has(query, "audit", "run_log") else []  # fmt: skip
    if not nights:
        return "none was"
    return f"{len(nights)} were, from {nights[0]} to {nights[-1]}" if len(nights) > 1 else f"only {nights[0]} was"


def _chosen(query: warehouse.Query, night: Night, account, application, sample) -> dict[str, list[str]] | None:
    """Keys to derive, by kind; None for the whole night."""
    if account is None and application is None and sample is None:
        return None
    chosen = {"account": [], "application": []}
    for kind, key in (("account", account), ("application", application)):
        relation, column = SCORES[kind]
        if key is not None:
            if not query(
                f"select 1 from marts.{relation} where as_of_date = ? and {column} = ?", [night.as_of_date, key]
            ):
                raise NightbookError(never_scored(query, kind, key, night.as_of_date))
            chosen[kind] = [key]
        elif sample is not None and warehouse.has(query, "marts", relation):
            rows = query(
                f"select {column} from marts.{relation} where as_of_date = ?"
                f" order by md5({column} || cast(as_of_date as varchar)), {column} limit ?",
                [night.as_of_date, sample],
            )
            chosen[kind] = [row[column] for row in rows]
    return chosen


def never_scored(query: warehouse.Query, kind: str, key: str, as_of: date) -> str:
    """What to say of a key without a score on a date: when it was scored instead, or that nobody knows it."""
    relation, column = SCORES[kind]
    [found] = query(
        f"select count(*) as nights, min(as_of_date) as first, max(as_of_date) as last from marts.{relation}"
        f" where {column} = ?",
        [key],
    )
    if found["nights"]:
        return (
            f"{kind} {key} was not scored as of {as_of}: it was on {found['nights']} nights, from {found['first']} to"
            f" {found['last']}"
        )
    table, of_account = ("accounts", "account_id") if kind == "account" else ("applications", "application_id")
    if query(f"select 1 from raw.{table} where {of_account} = ? limit 1", [key]):
        return f"{kind} {key} was never scored; it has landed, and was closed, decided or in default on every night"
    return f"no {kind} {key} has ever landed or been scored"


def _derive(scratch: Path, night: Night) -> str:
    """Run the DAG in the scratch home with the code that made the run: this one if it is the same, else its commit.

    Returns:
        Which code it was, in words.
    """
    run = night.run
    label = f"the night of {night.as_of_date}, run {run['run_id']}"
    if _build(Path.cwd(), scratch, night):
        return "this checkout, whose digests are those of the run"
    commit = run["git_commit"]
    lacking = f"{label}, was made with other code than this checkout's"
    if run["is_dirty"] or commit == "unknown":
        raise NightbookError(
            f"{lacking}, and with changes that are in no commit (last commit {commit[:12]}): it cannot be derived anew;"
            " `explain` shows its stored inputs, model and contributions"
        )
    packed = subprocess.run(["git", "archive", "--format=tar", commit], capture_output=True)
    if packed.returncode:
        raise NightbookError(f"{lacking}: commit {commit[:12]}, which is not in this clone; fetch it and try again")
    folder = scratch / "code"
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    if not _build(folder, scratch, night):
        raise NightbookError(
            f"{lacking}: commit {commit[:12]} is there, but gives other digests: files that are in no commit took part;"
            " `explain` shows its stored inputs, model and contributions"
        )
    return f"commit {commit[:12]}, laid out apart"


def _sweep() -> None:
    """Take away what was left by reproductions that were killed; the names of their folders hold their processes."""
    for left in home.home().glob(f"{_SCRATCH}*"):
        process = left.name.removeprefix(_SCRATCH).partition("-")[0]
        if not Path("/proc").exists() or not Path(f"/proc/{process}").exists():
            shutil.rmtree(left, ignore_errors=True)


def _build(code: Path, scratch: Path, night: Night) -> bool:
    """Parse a project, and build the night with it if it is the run's; False where it is not."""
    wanted = json.dumps({name: night.run[name] for name in ("manifest_digest", "library_digest")})
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, wanted],
        cwd=code,
        env=_environment(code, scratch, night),
        capture_output=True,
        text=True,
    )
    if done.returncode not in (0, _OTHER_CODE):
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise NightbookError(f"deriving the night of {night.as_of_date} anew: {reason}")
    return done.returncode == 0


def _environment(code: Path, scratch: Path, night: Night) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTBOOK_")}
    settings = {name: os.environ[name] for name in ("NIGHTBOOK_MEMORY", "NIGHTBOOK_THREADS") if name in os.environ}
    return kept | settings | {
        "NIGHTBOOK_HOME": str(scratch),
        "NIGHTBOOK_ACTOR": home.actor(),
        "NIGHTBOOK_AS_OF": night.as_of_date.isoformat(),
        "NIGHTBOOK_KNOWN_AT": night.run["known_at"].isoformat(" ", "microseconds"),
        # A sample is no book: what it lacks was judged on the night itself.
        "NIGHTBOOK_OVERRIDE": "*",
        "NIGHTBOOK_OVERRIDE_REASON": "derived anew",
        "NIGHTBOOK_VERSIONS": " ".join(f"{name}={version}" for name, version in sorted(night.versions.items())),
        "MLFLOW_TRACKING_URI": home.registry_uri(),
        "PYTHONPATH": str(code / "python_models"),
    }  # fmt: skip


def _land(scratch: Path, night: Night, chosen: dict[str, list[str]] | None) -> None:
    """Schema raw of the scratch warehouse: all that has landed, or what the chosen keys rest on."""
    with _beside_the_book(scratch) as connection:
        connection.execute("create schema raw")
        there = {
            name: view
            for name, view in connection.execute(
                "select table_name, null from duckdb_tables() where database_name = 'book' and schema_name = 'raw'"
                " union all"
                " select view_name, sql from duckdb_views() where database_name = 'book' and schema_name = 'raw'"
            ).fetchall()
            if name in TABLES
        }
        conditions = {} if chosen is None else _conditions(connection, night, chosen)
        for name, view in there.items():
            if chosen is None and view:
                connection.execute(view)
            else:
                where = f" where {conditions[name]}" if name in conditions else ""
                connection.execute(f"create table raw.{name} as select * from book.raw.{name}{where}")


def _conditions(connection: duckdb.DuckDBPyConnection, night: Night, chosen: dict[str, list[str]]) -> dict[str, str]:
    """Landing table -> which rows the chosen keys rest on: everything of their customers, in every version.

    Two facts are of the whole book: which dates have a snapshot, and in which month the ledger begins. An account for
    each of them comes along.
    """
    for kind, keys in chosen.items():
        connection.execute(f"create temp table chosen_{kind} (key varchar)")
        if keys:
            connection.executemany(f"insert into chosen_{kind} values (?)", [[key] for key in keys])
    known = f"_loaded_at <= timestamp '{night.run['known_at'].isoformat(' ', 'microseconds')}'"
    connection.execute(
        """
        create temp table customers as
        select customer_id from book.raw.accounts where account_id in (select key from chosen_account)
        union
        select customer_id from book.raw.applications where application_id in (select key from chosen_application)
        """
    )
    connection.execute(
        f"""
        create temp table accounts as
        select key as account_id from chosen_account
        union
        select account_id from book.raw.accounts where customer_id in (select customer_id from customers)
        union
        select min(account_id) from book.raw.loan_servicing where {known} group by snapshot_date
        union
        (
            select account_id from book.raw.payments
            where {known} and account_id is not null order by paid_on, account_id limit 1
        )
        """
    )
    of_customer = "customer_id in (select customer_id from customers)"
    of_account = "account_id in (select account_id from accounts)"
    # Whose a payment, a pull or an application is may be corrected: all versions of a key come along.
    return {
        "customers": of_customer,
        "accounts": of_account,
        "loan_servicing": of_account,
        "payments": f"payment_id in (select payment_id from book.raw.payments where {of_account})",
        "bureau_pulls": f"pull_id in (select pull_id from book.raw.bureau_pulls where {of_customer})",
        "applications": f"application_id in (select application_id from book.raw.applications where {of_customer})"
        " or application_id in (select key from chosen_application)",
        "default_events": of_account,
    }


def _compare(scratch: Path, found: Reproduction, chosen: dict[str, list[str]] | None) -> None:
    """Every column of every score, input and contribution with what is stored."""
    with _beside_the_book(scratch) as connection:
        for kind, relation, entity, key in _COMPARED:
            if chosen is None or chosen[kind]:
                _compare_relation(connection, found, relation, entity, key, chosen and chosen[kind])


def _columns(connection, database: str, relation: str) -> list[str]:
    schema, table = relation.split(".")
    return [
        name
        for (name,) in connection.execute(
            "select column_name from duckdb_columns() where database_name = ? and schema_name = ? and table_name = ?"
            " order by column_index",
            [database, schema, table],
        ).fetchall()
    ]


def _compare_relation(connection, found, relation, entity, key, chosen) -> None:
    """Compare the rows of a night; a column that one side alone has, by another version of the code, must be empty."""
    as_of, run_id = found.night.as_of_date, found.night.run["run_id"]
    stored_columns = _columns(connection, "book", relation)
    derived_columns = _columns(connection, connection.execute("select current_database()").fetchone()[0], relation)
    columns = [
        name for name in dict.fromkeys([*stored_columns, *derived_columns]) if name not in (*_OF_THE_RUN, "as_of_date")
    ]
    connection.execute("create or replace temp table wanted (key varchar)")
    if chosen:
        connection.executemany("insert into wanted values (?)", [[one] for one in chosen])
    of_chosen = f" and {entity} in (select key from wanted)" if chosen is not None else ""

    def side(there: list[str], source: str, condition: str) -> str:
        listed = ", ".join(f'"{name}"' if name in there else f'null as "{name}"' for name in columns)
        return (
            f"(select {key} as row_key, {listed} from {source} where as_of_date = date '{as_of}'{condition}{of_chosen})"
        )

    sides = (
        side(stored_columns, f"book.{relation}", f" and run_id = '{run_id}'")
        + " as stored full outer join "
        + side(derived_columns, relation, "")
        + " as derived on stored.row_key = derived.row_key"
    )
    differs = " or ".join(f'stored."{name}" is distinct from derived."{name}"' for name in columns)
    condition = f"stored.row_key is null or derived.row_key is null or {differs}"
    counted = f"select count(*), count(case when {condition} then 1 end) from {sides}"
    rows, different = connection.execute(counted).fetchone()
    found.compared[relation], found.different[relation] = rows, different
    if not different:
        return
    listed = ", ".join(f'{one}."{name}"' for name in columns for one in ("stored", "derived"))
    worst = connection.execute(
        f"select stored.row_key, derived.row_key, {listed} from {sides} where {condition}"
        f" order by coalesce(stored.row_key, derived.row_key) limit {_SHOWN}"
    ).fetchall()
    for stored_key, derived_key, *values in worst:
        name = stored_key or derived_key
        if stored_key is None or derived_key is None:
            there = ("missing", "there") if stored_key is None else ("there", "missing")
            found.differences.append(Difference(relation, name, "(row)", *there))
            continue
        found.differences += [
            Difference(relation, name, column, stored, derived)
            for column, stored, derived in zip(columns, values[::2], values[1::2], strict=True)
            if stored != derived
        ]


def _other_versions(night: Night) -> list[str]:
    then = json.loads(night.run["versions"])
    now = provenance.library_versions()
    return [
        f"{name} is {now[name]} here, was {then[name]} in the run"
        for name in sorted(now)
        if now[name] != then.get(name)
    ]


def landed_otherwise(query: warehouse.Query, night: Night) -> list[str]:
    """Loads of which the warehouse holds another number of rows, known at the cutoff, than the run saw."""
    notes = []
    for relation in ("loan_servicing", "payments", "bureau_pulls", "accounts"):
        notes += [
            f"raw.{relation}, load {row['load_id']}: {row['now']} rows known at the cutoff, {row['seen']} then"
            for row in query(
                f"""
                select
                    coalesce(now.load_id, seen.load_id) as load_id,
                    coalesce(rows_now, 0) as now,
                    coalesce(rows_seen, 0) as seen
                from (
                    select _load_id as load_id, count(*) as rows_now
                    from raw.{relation} where _loaded_at <= ? group by 1
                ) as now
                full outer join (
                    select load_id, sum(row_count) as rows_seen from intermediate.int_landings
                    where run_id = ? and relation_name = ? group by 1
                ) as seen on now.load_id = seen.load_id
                where rows_now is distinct from rows_seen
                order by 1
                """,
                [night.run["known_at"], night.run["run_id"], relation],
            )
        ]
    return notes


@contextmanager
def _beside_the_book(scratch: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The scratch warehouse, with the home's own attached as `book`."""
    with duckdb.connect(str(scratch / "warehouse.duckdb")) as connection:
        try:
            connection.execute(f"attach '{_quoted(home.warehouse())}' as book (read_only)")
        except duckdb.Error as error:
            raise NightbookError(builds.one_line(str(error))) from error
        yield connection


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
