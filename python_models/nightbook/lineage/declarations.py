"""Column lineage of a Python model, as its YAML declares it."""

from collections.abc import Collection, Iterable, Mapping

from nightbook.catalog import scoring_models
from nightbook.errors import NightbookError
from nightbook.lineage.graph import COLUMN, EACH, IDENTITY, Columns, Edge, Pairs, same_models

_REGISTERED = "models:/"
# What a declaration may name in the place of a relation: the relation of each scoring model.
_ROLES = ("population", "training_set", "tonight_scores")


def of_declaration(
    declared: Iterable[dict], relation: str, columns: Columns, relations: Mapping[str, str], inputs: Collection[str]
) -> list[Edge]:
    """Edges into a relation from what the YAML of its Python model declares.

    Args:
        declared: entries with `to`, `from` and `by`, and optionally `into` and `model`. `to` lists columns; all without
            it. `from` maps a model or models:/NAME to columns, to '*' for all, to `key`, or to `inputs` for the model
            inputs. `by` is a transformation; IDENTITY leads from each column to the column of the same name. `into`
            names another target. `model` is needed where both relations hold rows of several models. It is a model's
            name, or `each` if each model's rows come from its own rows. With `each`, `from` and `into` may also name
            models:/each, or population, training_set or tonight_scores: then there is such an entry for each model.
        relation: schema.name.
        columns: the columns of every relation.
        relations: model name -> schema.name.
        inputs: names of the model inputs.

    Raises:
        NightbookError: a declaration names something that does not exist.
    """
    edges = []
    for entry in (one for each in declared for one in _for_each_model(each)):
        into = entry.get("into", relation)
        targets = entry.get("to") or columns[relation]
        for source, named in entry["from"].items():
            is_external = source.startswith(_REGISTERED)
            origin = source if is_external else relations.get(source)
            if origin is None:
                raise NightbookError(f"{relation}: lineage declared from {source}, which is not a model")
            there = columns.get(origin, [])
            chosen = (
                there if named == "*" else [name for name in there if name in inputs] if named == "inputs" else named
            )
            unknown = [] if is_external else [name for name in chosen if name not in there]
            if unknown:
                raise NightbookError(f"{relation}: lineage declared from {origin}.{unknown[0]}, which does not exist")
            edges += [
                Edge(origin, name, into, target, entry["by"], *pair)
                for pair in _declared_models(entry.get("model"), origin, into, columns)
                for target in targets
                for name in chosen
                if entry["by"] != IDENTITY or name == target
            ]
    return edges


def _for_each_model(entry: dict) -> list[dict]:
    """The entry once for each scoring model if it names relations by their role, with the roles filled in."""
    named = [*entry["from"], entry.get("into")]
    if not any(name in (*_ROLES, f"{_REGISTERED}{EACH}") for name in named):
        return [entry]
    found = []
    for model in scoring_models.read().values():
        roles = {role: getattr(model, role) for role in _ROLES} | {
            f"{_REGISTERED}{EACH}": _REGISTERED + model.model_name
        }
        sources = {
            roles.get(source, source): [model.key] if columns == "key" else columns
            for source, columns in entry["from"].items()
        }
        one = entry | {"from": sources, "model": model.model_name}
        found.append(one | ({"into": roles.get(entry["into"], entry["into"])} if "into" in entry else {}))
    return found


def _declared_models(model: str | None, origin: str, into: str, columns: Columns) -> Pairs:
    """Pairs of models: whose rows of the origin make whose rows of the target."""
    if model not in (None, EACH, *scoring_models.read()):
        raise NightbookError(f"{into}: lineage declared for {model}, which is not a scoring model")
    is_split = [COLUMN in columns.get(relation, ()) for relation in (origin, into)]
    for relation in (origin, into):
        if relation.startswith(_REGISTERED):
            model = relation.removeprefix(_REGISTERED)
    if model is None and all(is_split):
        raise NightbookError(
            f"{into}: lineage declared from {origin} needs `model`: both relations hold rows of several models"
        )
    if model == EACH:
        if not all(is_split):
            raise NightbookError(
                f"{into}: lineage declared from {origin} for each model, but one of the two relations has no model_name"
            )
        return same_models()
    return [(model if is_split[0] else None, model if is_split[1] else None)]
