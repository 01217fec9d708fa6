"""A feature by one row, and a third scoring model by three steps, in a copy of the project as CONTRIBUTING says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
from nightbook.catalog import families, schema_yaml, scoring_models

from tests.python import warm

from .conftest import LANDING, ROOT, Home, ok

FEATURE = (
    'account_pd,shortfall_9m_avg,"Scheduled amount left unpaid, average of the last 9 months.",double,shortfall,avg,9,'
    "0,1000000000000,loan_servicing,1,Payments below the amount due,true"
)
# Relations of account_pd -> those of the third model, which scores credit lines alone.
NAMES = {
    "training_set_account_pd": "training_set_credit_line_pd",
    "accounts_tonight": "credit_lines_tonight",
    "tonight_account_scores": "tonight_credit_line_scores",
    "fct_account_scores": "fct_credit_line_scores",
    "account_pd": "credit_line_pd",
}
POPULATION = "select * from {{ ref('accounts_tonight') }} where is_credit_line = 1\n"
TRAINING_SET = "select * from {{ ref('training_set_account_pd') }} where is_credit_line = 1\n"
# dbt reads these references literally, so each file has a line for each model.
LINES = {
    "python_models/training/candidates.py": '"credit_line_pd": dbt.ref("training_set_credit_line_pd"),',
    "python_models/training/holdout_scores.py": '"credit_line_pd": dbt.ref("training_set_credit_line_pd"),',
    "python_models/training/gate_measurements.py": '"credit_line_pd": dbt.ref("training_set_credit_line_pd"),',
    "python_models/scoring/champions.py": '"credit_line_pd": dbt.ref("credit_lines_tonight"),',
    "python_models/monitoring/tonight_shadow_scores.py": (
        '"credit_line_pd": (dbt.ref("credit_lines_tonight"), "account_id"),'
    ),
}
MONITORED = (
    "monitoring.fct_feature_psi", "monitoring.fct_score_drift", "monitoring.fct_grade_migration",
    "fairness.fct_fairness", "training.fct_gate_decisions", "audit.fct_promotions",
)  # fmt: skip
LEFT_OUT = (".git", ".venv*", ".nightbook*", "__pycache__", ".*_cache", ".hypothesis", "logs")


class Project:
    """A copy of this project, and commands on it with one home."""

    def __init__(self, folder: Path, home: Path):
        self.folder, self.home = folder, home
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))

    def run(self, *command: str, actor: str = "maker") -> subprocess.CompletedProcess:
        environment = warm.clean() | {"NIGHTBOOK_HOME": str(self.home), "NIGHTBOOK_ACTOR": actor}
        environment["PYTHONPATH"] = "python_models"
        return subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=900
        )

    def orchestrate(self, *arguments: str, actor: str = "maker") -> str:
        return ok(self.run("orchestrate.py", *arguments, actor=actor)).stdout

    def text(self, file: str) -> str:
        return (self.folder / file).read_text()

    def write(self, file: str, text: str) -> None:
        (self.folder / file).write_text(text)

    def append(self, file: str, text: str) -> None:
        self.write(file, self.text(file) + text)


def renamed(text: str) -> str:
    for old, new in NAMES.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


def entry(document: str, name: str) -> str:
    """The YAML of one relation, renamed."""
    found = re.search(rf"  - name: {name}\n.*?(?=\n  - name: |\n\S|\Z)", document, re.DOTALL)
    return renamed(found[0].rstrip("\n")) + "\n"


def add_feature(project: Project) -> None:
    project.append(str(families.CATALOG), FEATURE + "\n")


def write_relations(project: Project) -> None:
    """The first step: the model's own relations, like those of account_pd."""
    project.write("models/scoring/credit_lines_tonight.sql", POPULATION)
    project.write("models/training/training_set_credit_line_pd.sql", TRAINING_SET)
    for folder, name in (("python_models/scoring", "tonight_account_scores.py"),
                         ("models/marts/scoring", "fct_account_scores.sql")):  # fmt: skip
        project.write(f"{folder}/{renamed(name)}", renamed(project.text(f"{folder}/{name}")))
    for file, name in (
        ("python_models/scoring/_scoring__python_models.yml", "tonight_account_scores"),
        ("models/marts/scoring/_scoring__marts.yml", "fct_account_scores"),
    ):
        project.append(file, "\n" + entry(project.text(file), name))
    for name in ("accounts_tonight", "training_set_account_pd"):
        text = project.text(str(schema_yaml.HEADS))
        own = entry(text, name)
        project.write(str(schema_yaml.HEADS), text.replace(f"  - name: {name}\n", f"{own}\n  - name: {name}\n"))


def write_rows(project: Project) -> None:
    """The second step: its row among the scoring models, its features in the catalog, and what it decides."""
    row = next(row for row in project.text(str(scoring_models.SEED)).splitlines() if row.startswith("account_pd,"))
    project.append(str(scoring_models.SEED), renamed(row) + "\n")
    own = [row for row in project.text(str(families.CATALOG)).splitlines() if row.startswith("account_pd,")]
    project.append(str(families.CATALOG), "".join(f"{renamed(row)}\n" for row in own))
    project.append("seeds/reference/fairness_decisions.csv", "credit_line_pd,G,From this grade on a line is cut\n")


def write_lines(project: Project) -> None:
    """The third step: a line in each Python model that names the scoring models."""
    for file, line in LINES.items():
        other = re.search(r'\n( *)"account_pd": ?\(?dbt.ref', project.text(file))
        if other is None:
            project.write(file, project.text(file).replace('{"account_pd":', f'{{{line} "account_pd":'))
        else:
            project.write(file, project.text(file).replace(other[0], f"\n{other[1]}{line}{other[0]}", 1))


def with_additions(demo: Home, folder: Path) -> Project:
    """The copy with both additions. It has trained on the demo's rows and scored one night."""
    home = folder / "home"
    home.mkdir()
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{demo.path / 'warehouse.duckdb'}' as whole (read_only)")
        connection.execute("create schema raw")
        for table in LANDING:
            connection.execute(f"create table raw.{table} as from whole.raw.{table}")
    project = Project(folder / "nightbook", home)
    add_feature(project)
    for step in (write_relations, write_rows, write_lines):
        step(project)
    ok(project.run("-m", "nightbook.catalog.schema_yaml"))
    project.orchestrate("train")
    for model in ("account_pd", "application_pd", "credit_line_pd"):
        agreed = ("--version", "1", "--approver", "approver", "--change-request", "CR-1")
        project.orchestrate("approve", model, *agreed, actor="approver")
    project.orchestrate("score")
    return project


def query(project: Project, sql: str) -> list[tuple]:
    with duckdb.connect(str(project.home / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def a_feature_is_one_row(added: Project) -> None:
    for relation in ("features.feat_accounts", "training.training_set_account_pd", "marts.rpt_regulatory_features"):
        [(known,)] = query(added, f"select count(shortfall_9m_avg) from {relation}")
        assert known > 100, relation
    # Not computed by the project: the panel's months, averaged here.
    assert query(
        added,
        """
        select count(*) > 100, max(abs(found.shortfall_9m_avg - panel.average)) < 0.00001
        from features.feat_accounts as found
        inner join (
            select account_id, as_of_date, avg(cast(shortfall as double)) as average
            from intermediate.int_account_panel where months_ago < 9 group by account_id, as_of_date
        ) as panel using (account_id, as_of_date)
        """,
    ) == [(True, True)]
    assert query(added, "select distinct model_name from monitoring.fct_feature_psi where feature = 'shortfall_9m_avg'"
                        " order by 1") == [("account_pd",), ("credit_line_pd",)]  # fmt: skip


def a_third_model_scores_its_own_population(added: Project) -> None:
    scored = query(added, "select account_id, model_name from marts.fct_credit_line_scores order by 1")
    lines = query(added, "select account_id, 'credit_line_pd' from features.feat_accounts where is_credit_line = 1"
                         " and account_id in (select account_id from marts.fct_account_scores) order by 1")  # fmt: skip
    assert len(scored) > 1000
    assert scored == lines


def a_third_model_is_monitored(added: Project) -> None:
    for relation in MONITORED:
        names = {name for (name,) in query(added, f"select distinct model_name from {relation}")}
        assert names >= {"account_pd", "credit_line_pd"}, relation


def a_third_model_is_in_lineage_partitions_and_metrics(added: Project) -> None:
    edges = query(
        added,
        "select distinct from_relation from audit.fct_lineage_edges"
        " where to_relation = 'scoring.tonight_credit_line_scores' and to_column = 'pd'",
    )
    assert ("scoring.credit_lines_tonight",) in edges
    registered = query(
        added, "select count(*) from audit.fct_lineage_edges where to_relation = 'models:/credit_line_pd'"
        " and from_relation = 'training.training_set_credit_line_pd'"
    )  # fmt: skip
    assert registered[0][0] > 10
    assert query(added, "select count(*) from marts.fct_score_partitions where relation_name = 'fct_credit_line_scores'"
                        ) == [(1,)]  # fmt: skip


def a_third_models_score_is_explained_reproduced_and_verified(added: Project) -> None:
    [(account, as_of)] = query(
        added, "select account_id, as_of_date from marts.fct_credit_line_scores order by pd desc, 1 limit 1"
    )
    explained = json.loads(
        added.orchestrate("explain", "--account", account, "--as-of", str(as_of), "--model", "credit_line_pd", "--json")
    )
    assert explained["model"]["model_name"] == "credit_line_pd"
    assert explained["model"]["approver"] == "approver"
    inputs = {one["feature"]: one for one in explained["inputs"]}
    assert "shortfall_9m_avg" in inputs
    file = inputs["shortfall_9m_avg"]["defined_in"]
    line = added.text(file["file"]).splitlines()[file["line"] - 1]
    assert line == FEATURE
    done = json.loads(added.orchestrate("reproduce", "--as-of", str(as_of), "--sample", "20", "--json"))
    assert done["is_equal"] and done["compared"]["marts.fct_credit_line_scores"] >= 5
    added.orchestrate("verify-audit")


def a_third_model_is_in_the_docs(added: Project) -> None:
    added.orchestrate("docs")
    pages = {file.name: file.read_text() for file in (added.home / "docs").rglob("*.html")}
    assert any("credit_line_pd" in name for name in pages), sorted(pages)
    page = next(text for name, text in pages.items() if "credit_line_pd" in name)
    assert "shortfall_9m_avg" in page


def test_a_feature_and_a_third_model_are_added_as_the_guide_says(demo, tmp_path):
    """One test, because two workers would each train the copy."""
    added = with_additions(demo[0], tmp_path)
    a_feature_is_one_row(added)
    a_third_model_scores_its_own_population(added)
    a_third_model_is_monitored(added)
    a_third_model_is_in_lineage_partitions_and_metrics(added)
    a_third_models_score_is_explained_reproduced_and_verified(added)
    a_third_model_is_in_the_docs(added)
