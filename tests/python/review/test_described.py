"""Generated descriptions: one SQL line and one catalog row describe a column everywhere."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from nightbook.catalog import families, schema_yaml
from nightbook.errors import NightbookError

ROOT = Path(__file__).resolve().parents[3]
ROW = 'account_pd,shortfall_9m_avg,"What was short, on average.",double,9,0,1000,loan_servicing,1,Short payments,true\n'


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of what the catalog reads and writes."""
    for folder in ("macros/features", "macros/populations", "models", "seeds/reference"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / "seeds" / "raw").mkdir()
    shutil.copy(ROOT / schema_yaml.SAMPLE, tmp_path / schema_yaml.SAMPLE)
    return tmp_path


def columns(project: Path, path: Path) -> dict[str, dict[str, str]]:
    """Relation -> column -> description, from a file of the project."""
    document = yaml.safe_load((project / path).read_text())
    return {
        one["name"]: {column["name"]: column["description"] for column in one["columns"]} for one in document["models"]
    }


def test_a_new_feature_is_described_wherever_it_is_a_column(project):
    schema_yaml.check(project)
    family = project / "macros" / "features" / "behaviour_features.sql"
    first = "        {{ window_stats('amount_paid',"
    assert first in family.read_text()
    more = "        {{ window_stats('shortfall', {'avg': [9]}) }},\n"
    family.write_text(family.read_text().replace(first, more + first, 1))
    with (project / schema_yaml.CATALOG).open("a") as rows:
        rows.write(ROW)
    with pytest.raises(NightbookError, match="is not up to date with .*feature_catalog.csv: run `make catalog`"):
        schema_yaml.check(project)
    schema_yaml.write(project)
    schema_yaml.check(project)
    for path, relation in (
        ("models/features/_features__models.yml", "feat_accounts"),
        ("models/features/accounts/_accounts__models.yml", "feat_account_behaviour"),
        ("models/marts/regulatory/_regulatory__marts.yml", "rpt_regulatory_features"),
        ("models/scoring/_scoring__models.yml", "accounts_tonight"),
        ("models/training/_training__models.yml", "training_set_account_pd"),
    ):
        assert columns(project, Path(path))[relation]["shortfall_9m_avg"] == "What was short, on average."
    assert (
        "shortfall_9m_avg"
        not in columns(project, Path("models/features/accounts/_accounts__models.yml"))["feat_account_tenure"]
    )
    parts = columns(project, Path("models/intermediate/tonight/_tonight__models.yml"))["int_closed_windows"]
    assert parts["shortfall__9m_sum"] == (
        "shortfall, of the closed months 1 to 8 before the as-of month: sum of the measure."
    )


def test_a_relation_without_the_mark_is_named(project):
    path = project / "models" / "training" / "_training__models.yml"
    path.write_text(path.read_text().replace("written by `make catalog`", "written by hand"))
    with pytest.raises(NightbookError, match="_training__models.yml: training_set_account_pd has no line '# Below"):
        schema_yaml.write(project)


def test_each_family_makes_features_of_the_catalog():
    listed = {row["name"] for row in schema_yaml.read(ROOT / schema_yaml.CATALOG)}
    made = {name: families.named(name, ROOT) & listed for name in (*families.NAMED_IN, "feat_account_behaviour")}
    assert all(len(names) > 5 for names in made.values())
    assert set().union(*made.values()) == listed


def test_each_feature_of_the_catalog_is_found_in_the_line_that_writes_it():
    of_model = {"account_pd": "feat_account_", "application_pd": "feat_application_"}
    places = {family: families.places(family, ROOT) for family in (*families.NAMED_IN, "feat_account_behaviour")}
    for row in schema_yaml.read(ROOT / schema_yaml.CATALOG):
        name = row["name"]
        found = {
            written[name]
            for family, written in places.items()
            if family.startswith(of_model[row["model_name"]]) and name in written
        }
        assert len(found) == 1, (name, found)
        [(file, number)] = found
        line = (ROOT / file).read_text().splitlines()[number - 1]
        if f"as {name}" in line:
            continue
        # A window: its call has the measure's name, statistic and months, and its line has the statistic.
        measure, months, statistic = re.fullmatch(r"(\w+?)_(\d+)m_(\w+)", name).groups()
        assert file.name == "behaviour_features.sql"
        lengths = re.search(rf"'{statistic}': \[([\d, ]+)\]", line)[1].split(", ")
        assert months in lengths, (name, line)
        call = re.findall(r"\{\{ window_stats\(.*?\}\}", (ROOT / file).read_text(), re.DOTALL)
        own = [one for one in call if line.strip().rstrip(",") in one]
        names = (f"name='{measure}'", f"{{{{ window_stats('{measure}'")
        assert any(names[0] in one or ("name=" not in one and one.startswith(names[1])) for one in own), (name, own)


def test_a_window_rests_on_the_macros_that_its_family_calls():
    files = {file.name for file in families.files("feat_account_behaviour", ROOT)}
    assert files >= {"feat_account_behaviour.sql", "behaviour_features.sql", "window_stat.sql", "over_months.sql"}
    assert not files & {"bureau_features.sql", "exposure_features.sql", "outcomes.sql"}
    assert "behaviour_features.sql" not in {file.name for file in families.files("feat_account_bureau", ROOT)}
