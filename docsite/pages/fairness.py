"""Groups that the law protects: approval, errors and calibration by group, whatever fct_fairness has."""

from collections.abc import Iterator

from docsite.blocks import Missing, Page, Section, Table, Text, node
from docsite.reading import Reading

ORDER = 40
_RELATION = "fct_fairness"


def pages(reading: Reading) -> Iterator[Page]:
    """One page; it says so where nothing has been measured."""
    yield Page(
        "fairness.html",
        "fairness",
        "Fairness",
        "Whether approval, errors and calibration differ by group. Protected attributes are no model input.",
        list(_sections(reading)),
    )


def _sections(reading: Reading) -> Iterator[Section]:
    found = reading.query(
        "select lower(table_schema) as place, lower(column_name) as name, lower(data_type) as data_type"
        " from information_schema.columns where lower(table_name) = ? order by ordinal_position",
        [_RELATION],
    )
    if not found:
        yield Section(
            "Not measured",
            "missing",
            [
                Missing(
                    f"This warehouse holds no {_RELATION}: train once with a version of the project that measures it."
                )
            ],
        )
        return
    columns = [row["name"] for row in found]
    keys = [name for name in ("model_name", "attribute") if name in columns]
    rows = reading.query(f"select * from {found[0]['place']}.{_RELATION}")
    if not rows:
        yield Section(
            "Not measured", "missing", [Missing(f"{_RELATION} is empty: the last training measured nothing.")]
        )
        return
    numbers = {row["name"] for row in found if row["data_type"] in ("double", "float", "bigint", "integer", "number")}
    for group in sorted({tuple(row[key] for key in keys) for row in rows}):
        title = ": ".join(map(str, group)) or "All groups"
        shown = [name for name in columns if name not in keys]
        table = reading.cited(
            f"{found[0]['place']}.{_RELATION}",
            {name: (name, "fine" if name in numbers else "text") for name in shown},
            where=dict(zip(keys, group, strict=True)),
        )
        yield Section(
            title,
            "-".join(map(str, group)) or "all",
            [
                Text(["Source: ", node(_RELATION), "."]),
                Table(
                    shown,
                    [[row[name] for name in shown] for row in table],
                    tuple(place for place, name in enumerate(shown) if name in numbers),
                ),
            ],
        )
