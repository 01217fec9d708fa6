"""OpenLineage events of a finished dbt build.

openlineage-dbt makes the events; this module adds column lineage. Each run's events become a file under the home, or go
to where the standard OpenLineage variables or configuration file say. They are first written to an outbox. Events that
cannot be delivered tonight are delivered, in order, after the next run.
"""

import json
import logging
import os
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from nightbook.engine import home, warehouse
from nightbook.errors import NightbookError
from nightbook.lineage import graph

_SUBTYPES = {
    graph.IDENTITY: ("DIRECT", "IDENTITY"),
    graph.TRANSFORMATION: ("DIRECT", "TRANSFORMATION"),
    graph.AGGREGATION: ("DIRECT", "AGGREGATION"),
    graph.INDIRECT: ("INDIRECT", "FILTER"),
}
REGISTRY = "mlflow"
_REGISTRATIONS = ("training", "registrations")
# Relation -> column -> edges into it.
_Into = dict[str, dict[str, list[dict]]]


def tell(project: Path) -> str | None:
    """Make the events of the last dbt build and deliver them, with those that still wait.

    Returns:
        Why some events are still waiting, or None if all are delivered. Nothing is raised: events must not fail a
        night.
    """
    try:
        run_id, events = of_last_build(project)
        outbox = home.home() / "lineage" / "outbox"
        outbox.mkdir(parents=True, exist_ok=True)
        # A killed run left these. There is only one writer, so nobody is using them.
        for left in outbox.glob("*.part"):
            left.unlink()
        # The names sort by time. The rename makes a file appear whole or not at all.
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{run_id}.jsonl"
        part = outbox / f"{name}.part"
        try:
            part.write_text("".join(f"{json.dumps(event, sort_keys=True)}\n" for event in events))
            part.rename(outbox / name)
        finally:
            part.unlink(missing_ok=True)
    except Exception as error:
        return f"lineage: no event was made: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return deliver()


def deliver() -> str | None:
    """Send the files in the outbox, oldest first. A file is deleted once its last event was accepted.

    Returns:
        Why some events are still waiting, or None when the outbox is empty.
    """
    outbox = home.home() / "lineage" / "outbox"
    waiting = sorted(outbox.glob("*.jsonl"))
    sent = 0
    try:
        if not _has_receiver():
            for file in waiting:
                file.rename(outbox.with_name(file.name))
            return None
        for done in outbox.glob("*.sent"):
            if not done.with_suffix(".jsonl").exists():
                done.unlink()
        from openlineage.client.client import OpenLineageClient

        transport = OpenLineageClient().transport
        for file in waiting:
            lines = file.read_text().splitlines()
            done = file.with_suffix(".sent")
            start = int(done.read_text() or 0) if done.exists() else 0
            # Noted after each event, so that a run killed here sends at most one event twice.
            for number, line in enumerate(lines[start:], start=start + 1):
                transport.emit(json.loads(line))
                done.write_text(str(number))
            file.unlink()
            done.unlink(missing_ok=True)
            sent += 1
        transport.close()
    except Exception as error:
        reason = (str(error).strip().splitlines() or ["no reason"])[0]
        return f"lineage: events of {len(waiting) - sent} runs wait in {outbox}: {reason}"
    return None


def of_last_build(project: Path) -> tuple[str, list[dict]]:
    """Return the events of the last build, read from the artifacts in the home's target folder, in order of time.

    Args:
        project: the dbt project's folder.

    Returns:
        The dbt invocation id, and its events: START of the build, each node's events, then COMPLETE or FAIL of the
        build.

    Raises:
        NightbookError: there is no finished build.
    """
    from openlineage.client.serde import Serde
    from openlineage.common.provider.dbt import DbtLocalArtifactProcessor, ParentRunMetadata
    from openlineage.common.provider.dbt.utils import PRODUCER
    from openlineage.dbt import dbt_run_event_end, dbt_run_event_failed, dbt_run_event_start

    class Processor(DbtLocalArtifactProcessor):
        """Leaves column lineage out. `_join_columns` adds it afterwards for all relations, Python models included."""

        def get_column_lineage(self, *arguments: object) -> None:
            return None

    target = home.home() / "target"
    if not (target / "run_results.json").exists():
        raise NightbookError(f"{target} has no results of a build")
    results = json.loads((target / "run_results.json").read_text())
    namespace = os.environ.get("OPENLINEAGE_NAMESPACE", "nightbook")
    processor = Processor(
        producer=PRODUCER,
        target=results["args"].get("target"),
        job_namespace=namespace,
        project_dir=str(project),
        target_path=str(target),
        logger=logging.getLogger("openlineage.dbt"),
        openlineage_job_name=os.environ.get("OPENLINEAGE_DBT_JOB_NAME"),
    )
    start = dbt_run_event_start(processor.job_name, namespace, None)
    processor.dbt_run_metadata = ParentRunMetadata(
        run_id=start.run.runId, job_name=start.job.name, job_namespace=start.job.namespace
    )
    nodes = [Serde.to_dict(event) for event in processor.parse().events()]
    failed = any(one["status"] in ("error", "fail") for one in results["results"])
    last = (dbt_run_event_failed if failed else dbt_run_event_end)(start.run.runId, namespace, processor.job_name, None)
    order = {"START": 0, "COMPLETE": 1, "FAIL": 1}
    nodes.sort(key=lambda event: (event["eventTime"], order[event["eventType"]]))
    whole = [Serde.to_dict(start), Serde.to_dict(last)]
    for event in whole:
        event["run"].setdefault("facets", {}).update(nodes[0]["run"].get("facets", {}) if nodes else {})
        event["run"]["facets"].pop("parent", None)
    whole[0]["eventTime"] = nodes[0]["eventTime"] if nodes else whole[0]["eventTime"]
    events = [whole[0], *nodes, whole[1]]
    run_id = results["metadata"]["invocation_id"]
    _join_columns(events)
    return run_id, events


def _join_columns(events: list[dict]) -> None:
    """Add the column lineage facet to each output dataset. Each model version is a dataset of its own."""
    try:
        with warehouse.asking() as query:
            edges = [
                edge
                for cadence in ("nightly", "weekly")
                if warehouse.has(query, "audit", f"lineage_{cadence}")
                for edge in query(
                    f"select * from audit.lineage_{cadence} inner join audit.run_provenance using (manifest_digest)"
                )
            ]
            versions, registered = (
                {row["model_name"]: row["model_version"] for row in query(f"select * from {schema}.{relation}")}
                if warehouse.has(query, schema, relation)
                else {}
                for schema, relation in (("scoring", "champions"), _REGISTRATIONS)
            )
    except Exception:
        # After a first run that failed early, a relation may be missing. Events then go out without column lineage.
        return
    into: _Into = defaultdict(lambda: defaultdict(list))
    for edge in edges:
        into[edge["to_relation"]][edge["to_column"]].append(edge)
    for event in events:
        # Once per node, in the event that says the relation exists.
        for dataset in list(event.get("outputs", [])) if event["eventType"] == "COMPLETE" else ():
            database, _, relation = dataset["name"].partition(".")
            if relation not in into:
                continue
            place = (dataset["namespace"], database)
            dataset.setdefault("facets", {})["columnLineage"] = facet = _facet(
                event["producer"], into, relation, place, versions
            )
            origins = {
                (one["namespace"], one["name"]): None
                for column in facet["fields"].values()
                for one in column["inputFields"]
                if one["namespace"] == REGISTRY
            }
            event.setdefault("inputs", []).extend({"namespace": space, "name": name} for space, name in origins)
            if relation == ".".join(_REGISTRATIONS):
                event["outputs"] += [
                    {
                        "namespace": REGISTRY,
                        "name": f"models:/{name}/{version}",
                        "facets": {
                            "columnLineage": _facet(event["producer"], into, f"models:/{name}", place, registered)
                        },
                    }
                    for name, version in sorted(registered.items())
                ]


def _facet(producer: str, into: _Into, relation: str, place: tuple[str, str], versions: dict[str, int]) -> dict:
    """Build the facet that names, for each column of a relation, the columns that it was made from.

    `place` is the namespace and database of the datasets.
    """
    of_columns = {}
    for column, found in into[relation].items():
        named = [_input_field(edge, *place, versions) for edge in _of_one(found, into)]
        of_columns[column] = {"inputFields": [one for at, one in enumerate(named) if one not in named[:at]]}
    return {
        "_producer": producer,
        "_schemaURL": "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
        "#/$defs/ColumnLineageDatasetFacet",
        "fields": of_columns,
    }


def _of_one(found: list[dict], into: _Into) -> list[dict]:
    """Translate edges into a column for a reader who knows datasets, but not the rows of one model within them.

    If a column uses only one model's rows of a relation, it gets the origins of those rows instead.
    """
    kept, waiting, seen = [], list(found), set()
    models: dict[tuple, set] = defaultdict(set)
    for edge in found:
        models[edge["from_relation"], edge["from_column"]].add(edge["from_model_name"])
    while waiting:
        edge = waiting.pop(0)
        origin = (edge["from_relation"], edge["from_column"])
        model = edge["from_model_name"]
        is_everybody = model is None or (edge in found and len(models[origin]) > 1)
        behind = [] if is_everybody else [
            one for one in into[origin[0]][origin[1]] if one["to_model_name"] in (None, model)
        ]  # fmt: skip
        if not behind:
            kept.append(edge)
        elif (*origin, model) not in seen:
            seen.add((*origin, model))
            waiting += behind
    return kept


def _input_field(edge: dict, namespace: str, database: str, versions: dict[str, int]) -> dict:
    kind, subtype = _SUBTYPES[edge["transformation"]]
    name = edge["from_relation"]
    if name.startswith("models:/"):
        version = versions.get(name.removeprefix("models:/"))
        namespace, name = REGISTRY, f"{name}/{version}" if version else name
    else:
        name = f"{database}.{name}"
    return {
        "namespace": namespace,
        "name": name,
        "field": edge["from_column"],
        "transformations": [{"type": kind, "subtype": subtype}],
    }


def _has_receiver() -> bool:
    """Whether OpenLineage's own settings name one. Otherwise the events stay in the home, in a file per run."""
    return any(name.startswith("OPENLINEAGE__") for name in os.environ) or any(
        os.environ.get(name) for name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE_DISABLED")
    )
