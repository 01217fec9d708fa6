"""What the catalog generates: one row defines a windowed feature and describes its column everywhere."""

import csv
import re
import shutil
from pathlib import Path

import pytest
import yaml
from nightbook.catalog import families, schema_yaml, scoring_models, windows
from nightbook.catalog.windows import WindowedFeature
from nightbook.errors import NightbookError

ROOT = Path(__file__).resolve().parents[4]
ROW = (
    'account_pd,shortfall_9m_avg,"What was short, on average.",double,shortfall,avg,9,0,1000,loan_servicing,1,'
    "Short payments,true\n"
)


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of what the catalog reads and writes."""
    for folder in ("macros", "models", "seeds/reference"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "seeds" / "raw").mkdir()
    shutil.copy(ROOT / schema_yaml.SAMPLE, tmp_path / schema_yaml.SAMPLE)
    (tmp_path / schema_yaml.HEADS.parent).mkdir(parents=True)
    shutil.copy(ROOT / schema_yaml.HEADS, tmp_path / schema_yaml.HEADS)
    return tmp_path


def columns(project: Path, path: Path) -> dict[str, dict[str, str]]:
    """Relation -> column -> description, from a file of the project."""
    document = yaml.safe_load((project / path).read_text())
    return {
        one["name"]: {column["name"]: column["description"] for column in one["columns"]} for one in document["models"]
    }


def test_a_new_feature_is_described_wherever_it_is_a_column(project):
    schema_yaml.check(project)
    with (project / families.CATALOG).open("a") as rows:
        rows.write(ROW)
    with pytest.raises(NightbookError, match="is not up to date with .*feature_catalog.csv: run `make catalog`"):
        schema_yaml.check(project)
    schema_yaml.write(project)
    schema_yaml.check(project)
    for path, relation in (
        ("models/features/_features__generated.yml", "feat_accounts"),
        ("models/features/accounts/_accounts__generated.yml", "feat_account_behaviour"),
        ("models/marts/regulatory/_regulatory__generated.yml", "rpt_regulatory_features"),
        ("models/scoring/_populations__generated.yml", "accounts_tonight"),
        ("models/training/_training_sets__generated.yml", "training_set_account_pd"),
    ):
        assert columns(project, Path(path))[relation]["shortfall_9m_avg"] == "What was short, on average."
    assert (
        "shortfall_9m_avg"
        not in columns(project, Path("models/features/accounts/_accounts__generated.yml"))["feat_account_tenure"]
    )
    parts = columns(project, Path("models/intermediate/tonight/_closed_windows__generated.yml"))["int_closed_windows"]
    assert parts["shortfall__9m_sum"] == (
        "shortfall, of the closed months 1 to 8 before the as-of month: sum of the measure."
    )
    assert "{'name': 'shortfall_9m_avg', 'measure': 'shortfall', 'statistic': 'avg'" in (
        (project / windows.MACRO).read_text()
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("statistic", "median", "statistic 'median' is not known; use avg, max, min, sum"),
        ("statistic", "", "statistic '' is not known"),
        ("window_months", "", "window_months '' is not a number of months from 1 to 24"),
        ("window_months", "25", "window_months '25' is not a number of months from 1 to 24"),
        ("data_type", "varchar", "data_type 'varchar' is neither integer nor double"),
        ("measure", "x) }} {{ evil(", "'x) }} {{ evil(' is not a name"),
        ("measure", "balance", "two models define it differently"),
    ],
)
def test_a_row_that_is_wrong_is_named(field, value, message):
    row = {"name": "shortfall_9m_avg", "data_type": "double", "measure": "shortfall", "statistic": "avg"}
    row["window_months"] = "9"
    assert windows.features([row, row]) == [WindowedFeature("shortfall_9m_avg", "shortfall", "avg", 9, "double")]
    with pytest.raises(NightbookError, match=re.escape(f"feature_catalog.csv, shortfall_9m_avg: {message}")):
        windows.features([row, row | {field: value}])


def test_a_relation_without_a_head_or_without_columns_is_named(project):
    path = project / schema_yaml.HEADS
    written = path.read_text()
    path.write_text(written.replace("- name: training_set_account_pd", "- name: training_set_of_nobody"))
    with pytest.raises(NightbookError, match="heads.yml does not describe training_set_account_pd: add its desc"):
        schema_yaml.write(project)
    path.write_text(written + "\n  - name: training_set_of_nobody\n    columns:\n")
    with pytest.raises(NightbookError, match="describes training_set_of_nobody, which no scoring model names"):
        schema_yaml.write(project)


def test_each_family_makes_features_of_the_catalog():
    listed = {row["name"] for row in schema_yaml.read(ROOT / families.CATALOG)}
    made = {name: listed & {*families.places(name, ROOT)} for name in families.relations(ROOT)}
    assert all(len(names) > 5 for names in made.values())
    assert set().union(*made.values()) == listed


def test_each_feature_of_the_catalog_is_found_in_the_line_that_defines_it():
    of_model = {"account_pd": "feat_account_", "application_pd": "feat_application_"}
    places = {family: families.places(family, ROOT) for family in families.relations(ROOT)}
    for row in schema_yaml.read(ROOT / families.CATALOG):
        name = row["name"]
        found = {
            written[name]
            for family, written in places.items()
            if family.startswith(of_model[row["model_name"]]) and name in written
        }
        assert len(found) == 1, (name, found)
        [(file, number)] = found
        line = (ROOT / file).read_text().splitlines()[number - 1]
        start = f"{row['model_name']},{name}," if row["measure"] else f"as {name}"
        assert start in line, (name, line)


def test_a_window_rests_on_the_macros_that_its_family_calls():
    files = {file.name for file in families.files(windows.RELATION, ROOT)}
    assert files >= {
        "feat_account_behaviour.sql", "windowed_features__generated.sql", "window_stat.sql", "over_months.sql",
        "grouped_windows.sql", "kept_windows.sql", "month_measures.sql",
    }  # fmt: skip
    assert not files & {"bureau_features.sql", "exposure_features.sql", "outcomes.sql"}
    assert "over_months.sql" not in {file.name for file in families.files("feat_account_bureau", ROOT)}


def test_a_model_that_is_not_named_or_not_described_is_refused(project):
    with pytest.raises(NightbookError, match="it has no line for scoring model application_pd: add one beside account"):
        scoring_models.each({"account_pd": 1})
    with pytest.raises(NightbookError, match="it names scoring model card_pd, which seeds"):
        scoring_models.each({"account_pd": 1, "application_pd": 2, "card_pd": 3})
    assert scoring_models.each({"account_pd": 1, "application_pd": 2}) == {"account_pd": 1, "application_pd": 2}
    seed = project / scoring_models.SEED
    row = next(row for row in seed.read_text().splitlines() if row.startswith("account_pd,"))
    seed.write_text(seed.read_text() + row.replace("account_pd", "card_pd"))
    with pytest.raises(NightbookError, match="heads.yml does not describe training_set_card_pd"):
        schema_yaml.check(project)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("entity", "customer", "entity 'customer' is not one of account, application"),
        ("scores", "", "'' is not a name"),
        ("inputs", "", "exactly one of inputs and contributions"),
        ("contributions", "fct_account_contributions", "exactly one of inputs and contributions"),
        ("population", "x'); drop table y", "is not a name"),
    ],
)
def test_a_scoring_model_that_is_wrong_is_named(project, field, value, message):
    seed = project / scoring_models.SEED
    rows = list(csv.DictReader(seed.read_text().splitlines()))
    rows[0][field] = value
    with seed.open("w") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(NightbookError, match=f"scoring_models.csv, account_pd: .*{re.escape(message)}"):
        schema_yaml.check(project)
