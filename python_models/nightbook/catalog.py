"""The feature catalog's other faces: YAML of the relations whose columns are the features, written from the seed.

`python -m nightbook.catalog` writes it, `python -m nightbook.catalog --check` says whether it is up to date; dbt needs
the columns in YAML for documentation and contracts, and nobody should type them twice.
"""

import csv
import json
import sys
from pathlib import Path

from nightbook.errors import NightbookError

CATALOG = Path("seeds/reference/feature_catalog.csv")
FEATURES = Path("models/features/_features__models.yml")
REGULATORY = Path("models/marts/regulatory/_regulatory__marts.yml")

_NOTE = "# Written by `make catalog` from the feature catalog; edit the seed.\n"

_FEATURE_MODEL = """\
  - name: {name}
    description: >
      Every {entity} feature, once: training and scoring both read this relation. Key: {key}, as_of_date.
    data_tests:
      - unique_key:
          arguments: {{key: [{key}, as_of_date]}}
      - matches_catalog:
          description: >
            A row is a column that the catalog does not list, a listed feature that the relation lacks, or a type that
            differs: a feature is one SQL expression and one catalog row.
          arguments: {{model_name: {model_name}, keys: [{key}, as_of_date]}}
    columns:
      - name: {key}
        description: "{key_description}"
        data_tests:
          - not_null
      - name: as_of_date
        description: "Date that every feature is as of: nothing later than it has a part in them."
"""

_REGULATORY_MODEL = """\
  - name: rpt_regulatory_features
    description: >
      Every account feature exactly as it was scored, for every night ever scored: what a supervisor asks for together
      with the score. Join to fct_account_scores by key and compare feature_digest. Key: account_id, as_of_date.
    config:
      contract: {enforced: true}
      materialized: incremental
      incremental_strategy: replace_partition
      on_schema_change: append_new_columns
      group: risk_analytics
      access: public
    data_tests:
      - unique_key:
          arguments: {key: [account_id, as_of_date]}
    columns:
      - name: account_id
        data_type: varchar
        description: "The account scored."
        data_tests:
          - not_null
      - name: as_of_date
        data_type: date
        description: "The night that was scored."
        data_tests:
          - not_null
      - name: model_version
        data_type: integer
        description: "Registered version of account_pd that read these inputs."
      - name: feature_digest
        data_type: varchar
        description: "Digest of the model's input vector, the same as on the score."
      - name: run_id
        data_type: varchar
        description: "The dbt invocation that wrote the row."
"""


def documents(catalog: list[dict]) -> dict[Path, str]:
    """Path -> YAML for each relation that has the catalog's features as columns."""
    accounts = _columns(catalog, "account_pd")
    applications = _columns(catalog, "application_pd")
    features = (
        _FEATURE_MODEL.format(
            name="feat_accounts",
            entity="account",
            model_name="account_pd",
            key="account_id",
            key_description="The open account described.",
        )
        + "".join(column["plain"] for column in accounts)
        + "\n"
        + _FEATURE_MODEL.format(
            name="feat_applications",
            entity="application",
            model_name="application_pd",
            key="application_id",
            key_description="The application described.",
        )
        + "".join(column["plain"] for column in applications)
    )
    regulatory = _REGULATORY_MODEL + "".join(column["typed"] for column in accounts)
    head = _NOTE + "version: 2\n\nmodels:\n"
    return {FEATURES: head + features, REGULATORY: head + regulatory}


def read(path: Path = CATALOG) -> list[dict]:
    """Rows of the catalog seed."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(root: Path) -> None:
    """Bring the YAML up to date with the seed."""
    for path, text in documents(read(root / CATALOG)).items():
        (root / path).write_text(text, encoding="utf-8")


def check(root: Path) -> None:
    """Raise NightbookError where the YAML is not what the seed says."""
    for path, text in documents(read(root / CATALOG)).items():
        if (root / path).read_text(encoding="utf-8") != text:
            raise NightbookError(f"{path} is not up to date with {CATALOG}: run `make catalog`")


def _columns(catalog: list[dict], model_name: str) -> list[dict]:
    found = []
    for row in catalog:
        if row["model_name"] == model_name:
            name, text = f"      - name: {row['name']}\n", json.dumps(row["description"], ensure_ascii=False)
            found.append(
                {
                    "plain": f"{name}        description: {text}\n",
                    "typed": f"{name}        data_type: {row['data_type']}\n        description: {text}\n",
                }
            )
    return found


if __name__ == "__main__":
    try:
        (check if sys.argv[1:] == ["--check"] else write)(Path.cwd())
    except NightbookError as error:
        sys.exit(f"nightbook: {error}")
