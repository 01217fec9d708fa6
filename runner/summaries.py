"""Read what the command line shows, from the warehouse and the registry. Nothing is written."""

from collections import defaultdict
from dataclasses import asdict, replace
from typing import Any

import duckdb
from nightbook.engine import home
from nightbook.engine.warehouse import Query, asking, exists, has, reading
from nightbook.errors import NightbookError
from nightbook.landing import ledger
from nightbook.trail import audit
from runner import dbt_build

# The last night that published. A later run that failed or only trained has no rows in the marts.
_LAST_NIGHT = """(
    select as_of_date, run_id from audit.run_log where outcome = 'succeeded' and accounts_scored is not null
    order by started_at desc limit 1
)"""


def training_decisions(run_id: str) -> list[dict]:
    """What a run decided on training, per model: decision, reason, rules_met."""
    with asking() as query:
        return query(
            "select model_name, decision, reason, rules_met from training.fct_training_decisions where run_id = ?"
            " order by model_name",
            [run_id],
        )


def candidates() -> list[dict]:
    """The last training's candidate per model: metrics, verdict, version if registered, failed rules in words."""
    with asking() as query:
        found = query(
            """
            with figures as (
                select model_name, metric, value, low, high, champion_value
                from training.gate_measurements
            )
            select
                c.model_name, c.status, c.algorithm, c.train_rows, c.holdout_rows,
                auc.value as auc, auc.low as auc_low, auc.high as auc_high, auc.champion_value as champion_auc,
                ks.value as ks, ks.low as ks_low, ks.high as ks_high,
                brier.value as brier, brier.low as brier_low, brier.high as brier_high,
                benchmark.value as benchmark_auc, rate.value as default_rate,
                r.model_version, c.reason as reasons
            from training.candidates as c
            left join figures as auc on c.model_name = auc.model_name and auc.metric = 'auc'
            left join figures as ks on c.model_name = ks.model_name and ks.metric = 'ks'
            left join figures as brier on c.model_name = brier.model_name and brier.metric = 'brier'
            left join figures as benchmark on c.model_name = benchmark.model_name and benchmark.metric = 'benchmark_auc'
            left join figures as rate on c.model_name = rate.model_name and rate.metric = 'default_rate'
            left join training.registrations as r on c.model_name = r.model_name
            order by c.model_name
            """
        )
        failures = defaultdict(list)
        for row in query(
            "select model_name, reason from training.int_gate_verdicts where verdict = 'fail' order by model_name, rule"
        ):
            failures[row["model_name"]].append(row["reason"])
    return [row | {"reasons": " ".join(failures[row["model_name"]]) or row["reasons"]} for row in found]


def night() -> dict:
    """The last night: grades with mean PD, queue by triage band, provisions by stage, and the worst drift."""
    with asking() as query:
        return {
            **query(f"select as_of_date, run_id from {_LAST_NIGHT}")[0],
            "grades": query(
                f"""
                select risk_grade, count(*) as accounts, avg(pd) as mean_pd
                from marts.fct_account_scores where as_of_date in (select as_of_date from {_LAST_NIGHT})
                group by risk_grade order by risk_grade
                """
            ),
            "triage": query(
                """
                select
                    triage_band, count(*) as applications, avg(pd) as mean_pd,
                    cast(sum(requested_amount) as decimal(38, 2)) as requested
                from marts.underwriting_queue group by triage_band order by min(pd)
                """
            ),
            "provisions": query(
                f"""
                select
                    ifrs9_stage, count(*) as accounts, cast(sum(ead) as decimal(38, 2)) as ead,
                    cast(sum(expected_loss) as decimal(38, 2)) as expected_loss
                from marts.fct_provisions where as_of_date in (select as_of_date from {_LAST_NIGHT})
                group by ifrs9_stage order by ifrs9_stage
                """
            ),
            "worst_psi": _worst_psi(query),
        }


def status() -> dict:
    """Champions, last runs, last gate metrics, worst drift and open approvals.

    The keys are the interface of `status --json`.
    """
    from nightbook.registry.record import Record

    versions = []
    if exists():
        with asking() as query:
            kept = Record.of(query)
        versions = [asdict(version) for name in kept.model_names for version in kept.versions_of(name)]
    state: dict[str, Any] = {
        "home": str(home.home()),
        "champions": [row for row in versions if row["is_champion"]],
        "open_approvals": [
            row
            for row in versions
            if row["approver"] is None and row["model_version"] > _champion_of(versions, row["model_name"])
        ],
        "last_runs": [],
        "last_gate": [],
        "last_night": None,
    }
    if not exists():
        return state
    with asking() as query:
        if has(query, "audit", "run_log"):
            state["last_runs"] = [
                row | {"seconds": (row["ended_at"] - row["started_at"]).total_seconds()}
                for row in query(
                    """
                    select * from audit.run_log
                    qualify row_number() over (partition by cadence order by started_at desc) = 1
                    order by started_at desc
                    """
                )
            ]
        has_gate = has(query, "training", "gate_measurements") and has(query, "training", "registrations")
        has_night = bool(state["last_runs"]) and bool(query(f"select * from {_LAST_NIGHT}"))
    if has_gate:
        state["last_gate"] = candidates()
    if has_night:
        state["last_night"] = night()
    return state


def check_audit_log() -> None:
    """Refuse an audit log that was emptied or has gaps. A home without an audit log passes.

    Raises:
        NightbookError: as `audit.check_unbroken`.
    """
    if exists():
        with asking() as query:
            audit.check_unbroken(query)


def verified(head: str | None) -> audit.Checked:
    """Compare the trail (runs, versions, promotions, verdicts, partitions) with the audit log.

    The SQL of the comparison is that of the current project.

    Raises:
        NightbookError: there is no audit log, or something differs from it.
    """
    with asking() as query:
        audit.check_unbroken(query)
        for relation in ("audit_chain", "audit_facts"):
            if not has(query, "audit", relation):
                raise NightbookError("this home has no audit log yet: the first `train` or `score` creates it")
    landed = () if home.is_account() else _check_landed()
    sql = audit.Sql(**dbt_build.compiled(*audit.Sql._fields))
    with reading() as connection:
        checked = audit.verify(connection, sql, head)
    return replace(checked, notes=(*checked.notes, *landed))


def _check_landed() -> tuple[str, ...]:
    """Hash every landed file and return notes about it."""
    with reading() as connection:
        assert isinstance(connection, duckdb.DuckDBPyConnection)
        ledger.check_views(connection)
        if ledger.check(connection, thorough=True) or not home.landing().exists():
            return ()
    return ("landed files: not compared, because they landed before digests were kept; the next `land` records them",)


def _champion_of(versions: list[dict], model_name: str) -> int:
    return max(
        (row["model_version"] for row in versions if row["model_name"] == model_name and row["is_champion"]), default=0
    )


def _worst_psi(query: Query) -> list[dict]:
    return query(
        f"""
        with drift as (
            select model_name, feature, value, status from monitoring.fct_feature_psi
            where as_of_date in (select as_of_date from {_LAST_NIGHT})
            union all
            select distinct model_name, '(score)', psi, status from monitoring.fct_score_drift
            where as_of_date in (select as_of_date from {_LAST_NIGHT})
        )
        select * from drift
        qualify row_number() over (partition by model_name, feature = '(score)' order by value desc, feature) = 1
        order by model_name, feature
        """
    )
