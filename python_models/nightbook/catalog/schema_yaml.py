"""Write what follows from the feature catalog seed: the macro of windowed features, and YAML of columns.

The YAML also covers two other sets of generated columns: the parts of windows, and the committed sample. `python -m
nightbook.catalog.schema_yaml` writes the files; `--check` reports whether they are up to date. dbt needs these columns
in YAML for documentation and contracts, and nobody should type them twice.
"""

import csv
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from nightbook.catalog import families, scoring_models, windows
from nightbook.catalog.scoring_models import ScoringModel
from nightbook.errors import NightbookError

HEADS = Path("python_models/nightbook/catalog/heads.yml")
SOURCES = Path("models/staging/_sources.yml")
SAMPLE = Path("seeds/raw/_raw__generated.yml")
TONIGHT = Path("models/intermediate/tonight/_tonight__models.yml")
COHORTS = Path("models/cohorts/_cohorts__generated.yml")
COHORT_FEATURES = Path("models/cohorts/features/_cohort_features__generated.yml")

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

_NOTE = "# Written by `make catalog` from the feature catalog and heads.yml in nightbook/catalog; edit those.\n"

_COHORTS_NOTE = "# Written by `make catalog` from the YAML of tonight's relations; edit that.\n"
_SAMPLE_NOTE = "# Written by `make catalog` from the landing contract; edit models/staging/_sources.yml.\n"
_SAMPLE_SEED = """\
  - name: {name}
    description: >
      Sample of the synthetic lender, for checks without your own data. The command
      `python -m nightbook.landing.sample seeds/raw` writes it. Its columns are those of source raw.{name}.
    columns:
"""


def documents(catalog: list[dict], models: Mapping[str, ScoringModel], root: Path) -> dict[Path, str]:
    """Path -> YAML of the relations whose columns follow from the catalog.

    Raises:
        NightbookError: a relation has no head, or a head has no columns.
    """
    below, written = _below_heads(catalog, models, root), heads(root)
    described = [relation for entries in written.values() for relation in entries]
    for relation in below:
        if relation not in described:
            raise NightbookError(f"{HEADS} does not describe {relation}: add its description, its key and its tests")
    for relation in described:
        if relation not in below:
            raise NightbookError(f"{HEADS} describes {relation}, which no scoring model names and no family is")
    head = _NOTE + "version: 2\n\nmodels:\n"
    return {
        path: head + "\n".join(text + below[relation] for relation, text in entries.items())
        for path, entries in written.items()
    }


def heads(root: Path) -> dict[Path, dict[str, str]]:
    """Path -> relation -> what is written by hand of its YAML."""
    found: dict[Path, dict[str, str]] = {}
    for part in re.split(r"^(?=\S+:$)", (root / HEADS).read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        path, _, text = part.partition(":\n")
        entries = re.split(r"^(?=  - name: )", text, flags=re.MULTILINE)[1:]
        found[Path(path)] = {re.findall(r"- name: (\w+)", one)[0]: one.rstrip("\n") + "\n" for one in entries}
    return found


def _below_heads(catalog: list[dict], models: Mapping[str, ScoringModel], root: Path) -> dict[str, str]:
    """Relation -> what follows its head."""
    columns: dict[str, list[dict]] = {}
    for model in models.values():
        of_model = _columns(catalog, model.model_name)
        # The first model that reads a relation of features has all of them in the catalog.
        for relation in filter(None, (model.features, model.inputs)):
            columns.setdefault(relation, of_model)
        columns |= {model.training_set: of_model, model.population: of_model}
    for relation in families.relations(root):
        maker = next(model for model in models.values() if relation.startswith(f"feat_{model.entity}_"))
        names = families.places(relation, root)
        columns[relation] = [column for column in _columns(catalog, maker.model_name) if column["name"] in names]
    parts = windows.closed_parts(catalog).items()
    columns["int_closed_windows"] = [_column(name, text) for name, text in parts]
    found = {relation: "".join(column["plain"] for column in listed) for relation, listed in columns.items()}
    found["rpt_regulatory_features"] = "".join(column["typed"] for column in columns["feat_accounts"])
    return found


def read(path: Path = families.CATALOG) -> list[dict]:
    """Rows of the catalog seed."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


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
    found = documents(catalog, models, root)
    described = {
        model["name"]: model
        for text in [*found.values(), (root / TONIGHT).read_text(encoding="utf-8")]
        for model in yaml.safe_load(text)["models"]
    }
    return found | {
        SAMPLE: sample(root),
        COHORTS: cohorts(described, "int_"),
        COHORT_FEATURES: cohorts(described, "feat_"),
        scoring_models.MACRO: scoring_models.macro(models.values()),
        windows.MACRO: windows.macro(catalog),
    }


def cohorts(described: Mapping[str, dict], prefix: str) -> str:
    """YAML of the relations that training reads. Their columns are those of tonight's relations, whose SQL they share.

    Args:
        described: tonight's relations -> their YAML.
        prefix: of the names of the relations to write.
    """
    text = _COHORTS_NOTE + "version: 2\n\nmodels:\n"
    for name, (tonight, description) in TWINS.items():
        if not name.startswith(prefix):
            continue
        meaning, _, key = description.partition(" Key: ")
        text += f"  - name: {name}\n    description: >\n      {meaning} The SQL is that of {tonight}. Key: {key}\n"
        if name in _TWIN_TESTS:
            meaning, columns = _TWIN_TESTS[name]
            text += "    data_tests:\n      - keeps_rules:\n"
            text += f'          description: "A row is {meaning}."\n'
            text += f"          arguments: {{unique: {columns}}}\n"
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
