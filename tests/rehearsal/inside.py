"""Code that runs in the sandbox: one procedure, or a function that gets batch after batch.

It starts with only the standard library on its path. Everything else comes from what was declared and staged.
"""

import array
import json
import os
import resource
import struct
import sys
import traceback
import types
from pathlib import Path


def main(work: Path) -> None:
    task = json.loads((work / "task.json").read_text())
    # A staged zip goes on the path as it is. Python reads modules and resources from it.
    sys.path += task["path"]
    sys._xoptions["snowflake_import_directory"] = task["imports"] + "/"
    sys._xoptions.setdefault("snowflake_partner_attribution", [])
    _provide_snowflake(task.get("secrets", {}))
    if task["hosts"] is not None:
        _keep_in(set(task["hosts"]))
    if task["kind"] == "procedure":
        _procedure(task, work)
    else:
        _function(task, work)


def _procedure(task: dict, work: Path) -> None:
    outcome = {}
    try:
        handler = _handler(task, work)
        from snowflake.snowpark import Session

        session = Session.builder.configs(task["session"]).create()
        outcome["result"] = handler(session)
    except BaseException as error:
        outcome["error"] = _told(error)
    outcome["peak_kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (work / "outcome.json").write_text(json.dumps(outcome))
    # The session is the caller's. Snowpark would close it at exit, so the process ends without it.
    os._exit(0)


def _function(task: dict, work: Path) -> None:
    """Answer batches on the pipes: columns come in, and one column or an error text goes back.

    A message is its length and JSON. A numeric column without nulls follows as bytes, with a type code in the JSON.
    """
    inbox, outbox = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    try:
        handler = _handler(task, work)
        trouble = None
    except BaseException as error:
        trouble = _told(error)
    while head := inbox.read(8):
        columns = [_column(told, inbox) for told in json.loads(inbox.read(struct.unpack("<q", head)[0]))]
        try:
            answer = {"error": trouble} if trouble else _answer(handler, columns)
        except BaseException as error:
            answer = {"error": _told(error)}
        answer["peak_kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        packed = json.dumps(answer, default=lambda number: number.item()).encode()
        outbox.write(struct.pack("<q", len(packed)) + packed)
        outbox.flush()


def _column(told: dict, inbox) -> array.array | list:
    if "values" in told:
        return told["values"]
    return array.array(told["code"], inbox.read(told["bytes"]))


def _answer(handler, columns: list) -> dict:
    """Values of one call, in batches no larger than the handler allows."""
    if not hasattr(handler, "_sf_vectorized_input"):
        return {"values": [handler(*row) for row in zip(*columns, strict=True)], "batches": []}
    import numpy
    import pandas

    arrays = [numpy.asarray(column) if isinstance(column, array.array) else column for column in columns]
    frame = pandas.DataFrame(dict(enumerate(arrays)))
    size = getattr(handler, "_sf_max_batch_size", None) or len(frame) or 1
    values, batches = [], []
    for start in range(0, len(frame), size):
        part = frame.iloc[start : start + size].reset_index(drop=True)
        given = list(handler(part))
        if len(given) != len(part):
            raise ValueError(f"handler gave {len(given)} values for a batch of {len(part)}")
        values += given
        batches.append(len(part))
    return {"values": values, "batches": batches}


def _handler(task: dict, work: Path):
    file = work / "_udf_code.py"
    space = {"__name__": "_udf_code", "__file__": str(file)}
    exec(compile(file.read_text(), "_udf_code.py", "exec"), space)
    return space[task["handler"]]


def _told(error: BaseException) -> str:
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _provide_snowflake(secrets: dict) -> None:
    module = types.ModuleType("_snowflake")

    def vectorized(input=None, max_batch_size=None, **_):
        def decorate(handler):
            handler._sf_vectorized_input = input
            handler._sf_max_batch_size = max_batch_size
            return handler

        return decorate

    module.vectorized = vectorized
    module.get_generic_secret_string = secrets.__getitem__
    sys.modules["_snowflake"] = module


def _keep_in(hosts: set) -> None:
    """Without an external access integration, only Snowflake itself can be reached."""

    def watch(event: str, arguments: tuple) -> None:
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            host, port = arguments[1][:2]
            if f"{host}:{port}" not in hosts:
                raise OSError(f"{host}:{port} cannot be reached: no EXTERNAL_ACCESS_INTEGRATIONS allows it")

    sys.addaudithook(watch)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
