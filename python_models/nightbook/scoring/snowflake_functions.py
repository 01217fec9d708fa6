"""Scores computed inside Snowflake: temporary functions of a session, made from a registered model.

The functions are created by SQL text and hold no pickle. Their code is the staged library. Their model is a file whose
digest is checked again where it is read. The scored rows do not pass through the procedure.
"""

import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from nightbook.engine import deployment, frames
from nightbook.registry.model_versions import Model
from nightbook.scoring import snowflake_handlers

if TYPE_CHECKING:
    from snowflake.snowpark import DataFrame, Session

# What the handlers import, out of the packages that the Python models declare.
_PACKAGES = ("numpy", "pandas", "pyarrow", "xgboost", "xgboost-cpu")


def scored(session: "Session", model: Model, frame: frames.Frame, key: str) -> "DataFrame":
    """A Snowpark frame with the columns of `scorer.score_schema(key)`, evaluated when it is written.

    Args:
        session: the procedure's session.
        model: the registry's model, its digest checked.
        frame: with `key`, as_of_date and the model's features; null is missing.
        key: account_id or application_id.
    """
    assert frames.is_snowpark(frame)
    functions = _create(session, model)
    inputs = ", ".join(f"cast({name} as float)" for name in model.features)
    known = " + ".join(f"iff({name} is null, 0, 1)" for name in model.features)
    margins = frame.select_expr(
        f"cast({key} as varchar) as {key}",
        "as_of_date",
        f"{functions['margin']}({inputs}, {known}) as margin",
        f"{functions['feature_digest']}({inputs}, {known}) as feature_digest",
    )
    return margins.select_expr(
        key,
        "as_of_date",
        f"{functions['pd']}(margin) as pd",
        "margin",
        "feature_digest",
        f"'{model.model_name}' as model_name",
        f"cast({model.version} as integer) as model_version",
        f"'{model.digest}' as model_digest",
    )


def _create(session: "Session", model: Model) -> dict[str, str]:
    """Create the functions of a model. Returns handler -> name."""
    suffix = uuid.uuid4().hex[:12]
    stage = f"nightbook_model_{suffix}"
    session.sql(f"create temporary stage {stage}").collect()
    file = f"{model.digest}.ubj"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        path.write_bytes(model.booster_bytes)
        session.file.put(str(path), f"@{stage}", auto_compress=False, overwrite=True)
    inputs = [f"x{number} float" for number in range(len(model.features))] + ["known integer"]
    imports = [*_runtime()["imports"], f"@{stage}/{file}"]
    names = {}
    for handler, arguments, returns in (
        ("margin", inputs, "float"),
        ("feature_digest", inputs, "varchar"),
        ("pd", ["margin float"], "float"),
    ):
        names[handler] = f"nightbook_{handler}_{suffix}"
        session.sql(_statement(names[handler], handler, arguments, returns, imports)).collect()
    return names


def _runtime() -> dict:
    staged = deployment.record()
    # A procedure always runs a staged library.
    assert staged is not None
    return staged["runtime"]


def _statement(name: str, handler: str, arguments: list[str], returns: str, imports: list[str]) -> str:
    runtime = _runtime()
    packages = [package for package in runtime["packages"] if package.partition("==")[0] in _PACKAGES]
    return f"""
create or replace temporary function {name}({", ".join(arguments)})
returns {returns}
language python
immutable
runtime_version = '{runtime["python_version"]}'
packages = ({", ".join(f"'{package}'" for package in packages)})
imports = ({", ".join(f"'{file}'" for file in imports)})
handler = 'handler'
as $$
import pandas
from _snowflake import vectorized
from nightbook.scoring import snowflake_handlers


@vectorized(input=pandas.DataFrame, max_batch_size={snowflake_handlers.BATCH_ROWS})
def handler(batch):
    return snowflake_handlers.{handler}(batch)
$$"""
