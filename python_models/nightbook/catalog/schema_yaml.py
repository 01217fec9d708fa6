"""Write what follows from the feature catalog seed: the macro of windowed features, and YAML of columns.

The YAML also covers two other sets of generated columns: the parts of windows, and the committed sample. `python -m
nightbook.catalog.schema_yaml` writes the files; `--check` reports whether they are up to date. dbt needs these columns
in YAML for documentation and contracts, and nobody should type them twice.
"""

import csv
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from nightbook.catalog import families, scoring_models, windows
from nightbook.catalog.scoring_models import ScoringModel
from nightbook.errors import NightbookError

FEATURES = Path("models/features/_features__models.yml")
INPUTS = Path("models/scoring/_account_inputs__models.yml")
PROFILE = Path("models/monitoring/_feature_profile__models.yml")
SOURCES = Path("models/staging/_sources.yml")
SAMPLE = Path("seeds/raw/_raw__seeds.yml")
REGULATORY = Path("models/marts/regulatory/_regulatory__marts.yml")

# YAML that is written by hand, except for the columns below a mark.
_ACCOUNTS = Path("models/features/accounts/_accounts__models.yml")
_APPLICATIONS = Path("models/features/applications/_applications__models.yml")
_INTERMEDIATE = Path("models/intermediate/tonight/_tonight__models.yml")
_COHORTS = Path("models/cohorts/_cohorts__models.yml")
_COHORT_FEATURES = Path("models/cohorts/features/_cohort_features__models.yml")
_CASES = {"account": "Open account", "application": "Application"}
_MARK = "      # Below, to the next empty line: written by `make catalog`."

# Relation of training -> tonight's relation with the same SQL and columns, and its description.
TWINS = {
    "int_cohort_dates": ("int_as_of_dates", "Dates of the matured cohorts. Key: as_of_date."),
    "int_cohort_book": (
        "int_account_book",
        "Accounts that were open on the date of a cohort. Key: account_id, as_of_date.",
    ),
    "int_cohort_applications": (
        "int_application_cases",
        "Approved applications whose outcome is known, as of the day of request. Key: application_id, as_of_date.",
    ),
    "int_cohort_customers": (
        "int_customer_dates",
        "Customers and dates of the training cases. Key: customer_id, as_of_date.",
    ),
    "int_cohort_exposures": (
        "int_customer_exposures",
        "What the customer of a training case owed on its date. Key: customer_id, as_of_date.",
    ),
    "int_cohort_bureau_files": (
        "int_bureau_files",
        "Bureau files of the 24 months before a training case. Key: customer_id, as_of_date, pull_id.",
    ),
    "int_cohort_open_months": (
        "int_open_months",
        "The last month of every window of a training case. Key: account_id, as_of_date.",
    ),
    "int_cohort_panel": (
        "int_account_panel",
        "Months of an account, counted back from its cohort. Key: account_id, as_of_date, months_ago.",
    ),
    **{
        name.replace("feat_", "feat_cohort_"): (name, f"Features of training cases. Key: {key}_id, as_of_date.")
        for name, key in [
            ("feat_accounts", "account"),
            ("feat_account_behaviour", "account"),
            ("feat_account_bureau", "account"),
            ("feat_account_exposure", "account"),
            ("feat_account_tenure", "account"),
            ("feat_applications", "application"),
            ("feat_application_bureau", "application"),
            ("feat_application_relationship", "application"),
            ("feat_application_request", "application"),
        ]
    },
}
# Their data tests, as on tonight's relations.
_TWIN_TESTS = {
    "int_cohort_book": ("a case that training would learn from twice", "[account_id, as_of_date]"),
    "int_cohort_applications": ("a case that training would learn from twice", "[application_id, as_of_date]"),
}

_NOTE = "# Written by `make catalog` from the feature catalog; edit the seed.\n"

_FEATURE_MODEL = """\
  - name: {name}
    description: >
      All {entity} features of tonight, one column each. Training reads the same features of past dates in
      {cohort}, by the same SQL. Key: {key}, as_of_date.
    data_tests:
      - matches_catalog:
          description: >
            A row is a feature that only the catalog or only the relation has, or whose type differs between them. Every
            feature needs one SQL expression and one catalog row.
          arguments: {{model_name: {model_name}, keys: [{key}, as_of_date]}}
    columns:
      - {{name: {key}, description: "{key_description}"}}
      - {{name: as_of_date, description: "Date that every feature is as of; no later data is used."}}
"""

_INPUTS_MODEL = """\
  - name: account_inputs
    description: >
      Every account feature as the scorer of a run read it. A night writes it once, before scoring, and keeps it for
      rpt_regulatory_features. Inputs that no score refers to are deleted after the scores of the date are written. Key:
      account_id, as_of_date, run_id.
    columns:
      - {name: run_id, description: "The dbt invocation that wrote the row; scores of the run used these inputs."}
      - {name: account_id, description: "Open account that is not in default."}
      - {name: as_of_date, description: "The night that is scored."}
"""

_PROFILE_MODEL = """\
  - name: feature_profile
    description: >
      Tonight's population, one row per model input. The tests of inputs, the drift gate and the reports all read it, so
      that the book is read only once. Inputs that the champion does not have are not in it. Key: model_name, feature.
    columns:
      - {name: model_name, description: "Scoring model."}
      - {name: model_version, description: "The champion whose training population the drift is measured against."}
      - {name: feature, description: "Input, as named in the catalog."}
      - {name: case_count, description: "Accounts or applications scored tonight."}
      - {name: null_share, description: "Share of them without a value."}
      - {name: lowest, description: "Smallest value tonight; null where no case has one."}
      - {name: highest, description: "Largest value tonight."}
      - {name: gain_share, description: "The input's share of the loss reduction by all splits of the champion."}
      - {name: psi, description: "Population stability index against the training population, to nine decimals."}
    data_tests:
"""

_PROFILE_TEST = """\
      - is_possible:
          name: {model_name}_{first}_is_possible
          description: >
            Tonight an input made of {measure} has a value outside {lowest} to {highest}, which its definition cannot
            give. Each row of the test names such an input, and the catalog says what it is. Look for a landing table
            in another unit, or a changed measure.
          arguments: {{model_name: {model_name}, low: {lowest}, high: {highest}, features: [{features}]}}
"""

_COHORTS_NOTE = "# Written by `make catalog` from the YAML of tonight's relations; edit that.\n"
_SAMPLE_NOTE = "# Written by `make catalog` from the landing contract; edit models/staging/_sources.yml.\n"
_SAMPLE_SEED = """\
  - name: {name}
    description: >
      Sample of the synthetic lender, for checks without your own data. The command
      `python -m nightbook.landing.sample seeds/raw` writes it. Its columns are those of source raw.{name}.
    columns:
"""

_REGULATORY_MODEL = """\
  - name: rpt_regulatory_features
    description: >
      Every account feature exactly as it was scored, for every night ever scored. Supervisors ask for it together with
      the score. Join to fct_account_scores by key and compare feature_digest. Key: account_id, as_of_date.
    config:
      contract: {enforced: true}
      group: risk_analytics
      access: public
    data_tests:
      - every_score_has_inputs:
          description: >
            A row is a score of tonight without the inputs that it was computed from. Score the night again. If the row
            is still there, somebody has changed the relation account_inputs by other means.
    columns:
      - {name: account_id, data_type: varchar, description: "Account that was scored."}
      - {name: as_of_date, data_type: date, description: "The night that was scored."}
      - {name: model_version, data_type: integer, description: "Version of account_pd that read these inputs."}
      - {name: feature_digest, data_type: varchar, description: "Digest of the input vector, the same as on the score."}
      - {name: run_id, data_type: varchar, description: "The dbt invocation that wrote the row."}
"""


def documents(catalog: list[dict], models: Iterable[ScoringModel]) -> dict[Path, str]:
    """Path -> YAML for each relation that has the catalog's features as columns."""
    makers: dict[str, ScoringModel] = {}
    for model in models:
        # The first model that reads a relation of features has all of them in the catalog.
        makers.setdefault(model.features, model)
    features = "\n".join(
        _FEATURE_MODEL.format(
            name=name,
            entity=model.entity,
            model_name=model.model_name,
            key=model.key,
            key_description=f"{_CASES[model.entity]} that the features describe.",
            cohort=model.cohort_features,
        )
        + "".join(column["plain"] for column in _columns(catalog, model.model_name))
        for name, model in makers.items()
    )
    accounts = _columns(catalog, makers["feat_accounts"].model_name)
    inputs = _INPUTS_MODEL + "".join(column["plain"] for column in accounts)
    regulatory = _REGULATORY_MODEL + "".join(column["typed"] for column in accounts)
    profile = _PROFILE_MODEL + _range_tests(catalog)
    head = _NOTE + "version: 2\n\nmodels:\n"
    return {
        FEATURES: head + features,
        INPUTS: head + inputs,
        PROFILE: head + profile,
        REGULATORY: head + regulatory,
    }


def _range_tests(catalog: list[dict]) -> str:
    """One test for all windows of a measure that share a range, because each test costs dbt about 30 ms."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in catalog:
        if row["in_model"] == "true":
            measure = re.sub(r"_\d+m_.*", "", row["name"])
            groups.setdefault((row["model_name"], measure, row["lowest"], row["highest"]), []).append(row["name"])
    return "".join(
        _PROFILE_TEST.format(
            model_name=model_name,
            first=names[0],
            measure=measure,
            lowest=lowest,
            highest=highest,
            features=", ".join(names),
        )
        for (model_name, measure, lowest, highest), names in groups.items()
    )


def read(path: Path = families.CATALOG) -> list[dict]:
    """Rows of the catalog seed."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def marked(catalog: list[dict], models: Mapping[str, ScoringModel], root: Path) -> dict[Path, str]:
    """Path -> YAML of each file in which only the columns below a mark are generated.

    Raises:
        NightbookError: a relation is not described, or has no mark.
    """
    columns: dict[str, list[dict]] = {}
    for model in models.values():
        for relation in (model.training_set, model.population):
            columns[relation] = _columns(catalog, model.model_name)
    for relation in families.relations(root):
        maker = next(model for model in models.values() if relation.startswith(f"feat_{model.entity}_"))
        names = families.places(relation, root)
        columns[relation] = [column for column in _columns(catalog, maker.model_name) if column["name"] in names]
    parts = windows.closed_parts(catalog).items()
    columns["int_closed_windows"] = [_column(name, text) for name, text in parts]
    texts = {path: (root / path).read_text(encoding="utf-8") for path in _written_by_hand(root)}
    found: dict[Path, str] = {}
    for relation, listed in columns.items():
        title = f"  - name: {relation}\n"
        path = next((path for path, text in texts.items() if title in text), None)
        if path is None:
            raise NightbookError(f"no YAML under models describes {relation}")
        head, name, rest = texts[path].partition(title)
        before, mark, after = rest.partition(_MARK)
        if not mark or "\n  - name: " in before:
            raise NightbookError(f"{path}: {relation} has no line '{_MARK.strip()}' at the end of its columns")
        _, end, others = after.partition("\n\n")
        plain = "".join(column["plain"] for column in listed)
        found[path] = texts[path] = head + name + before + mark + "\n" + plain + (end and "\n") + others
    return found


def _written_by_hand(root: Path) -> list[Path]:
    files = sorted(file.relative_to(root) for file in (root / "models").rglob("_*__models.yml"))
    return [file for file in files if file not in (FEATURES, INPUTS, PROFILE, _COHORTS, _COHORT_FEATURES)]


def write(root: Path) -> None:
    """Bring the YAML up to date with the seed."""
    for path, text in _all(root).items():
        (root / path).write_text(text, encoding="utf-8")


def check(root: Path) -> None:
    """Raise NightbookError if the YAML differs from what the seed gives."""
    for path, text in _all(root).items():
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text:
            raise NightbookError(f"{path} is not up to date with {families.CATALOG}: run `make catalog`")


def sample(root: Path) -> str:
    """YAML of the committed sample, with the column descriptions of the landing contract."""
    [raw] = yaml.safe_load((root / SOURCES).read_text(encoding="utf-8"))["sources"]
    text = _SAMPLE_NOTE + "version: 2\n\nseeds:\n"
    for table in raw["tables"]:
        listed = (_column(column["name"], column["description"]) for column in table["columns"])
        text += _SAMPLE_SEED.format(name=table["name"]) + "".join(column["plain"] for column in listed)
    return text


def _all(root: Path) -> dict[Path, str]:
    catalog, models = read(root / families.CATALOG), scoring_models.read(root)
    found = documents(catalog, models.values()) | marked(catalog, models, root)
    found[scoring_models.MACRO] = scoring_models.macro(models.values())
    found[windows.MACRO] = windows.macro(catalog)
    return found | {SAMPLE: sample(root), _COHORTS: cohorts(found, "int_"), _COHORT_FEATURES: cohorts(found, "feat_")}


def cohorts(written: dict[Path, str], prefix: str) -> str:
    """YAML of the relations that training reads. Their columns are those of tonight's relations, whose SQL they share.

    Args:
        written: path -> YAML that describes tonight's relations.
        prefix: of the names of the relations to write.
    """
    described = {
        model["name"]: model
        for path in (_INTERMEDIATE, FEATURES, _ACCOUNTS, _APPLICATIONS)
        for model in yaml.safe_load(written[path])["models"]
    }
    text = _COHORTS_NOTE + "version: 2\n\nmodels:\n"
    for name, (tonight, description) in TWINS.items():
        if not name.startswith(prefix):
            continue
        meaning, _, key = description.partition(" Key: ")
        text += f"  - name: {name}\n    description: >\n      {meaning} The SQL is that of {tonight}. Key: {key}\n"
        if name in _TWIN_TESTS:
            meaning, columns = _TWIN_TESTS[name]
            text += "    data_tests:\n      - unique_combination_of_columns:\n"
            text += f'          description: "A row is {meaning}."\n'
            text += f"          arguments: {{combination_of_columns: {columns}}}\n"
        listed = (_column(column["name"], column["description"].strip()) for column in described[tonight]["columns"])
        text += "    columns:\n" + "".join(column["plain"] for column in listed) + "\n"
    return text.rstrip("\n") + "\n"


def _columns(catalog: list[dict], model_name: str) -> list[dict]:
    return [
        _column(row["name"], row["description"], row["data_type"]) for row in catalog if row["model_name"] == model_name
    ]


def _column(name: str, description: str, data_type: str = "") -> dict:
    """A column as YAML, without and with its type."""
    text = json.dumps(description, ensure_ascii=False)
    plain, typed = (
        f"      - {{name: {name}, {of_type}description: {text}}}\n" for of_type in ("", f"data_type: {data_type}, ")
    )
    return {"name": name, "plain": plain, "typed": typed}


if __name__ == "__main__":
    try:
        (check if sys.argv[1:] == ["--check"] else write)(Path.cwd())
    except NightbookError as error:
        sys.exit(f"nightbook: {error}")
