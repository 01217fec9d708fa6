"""Texts in an id, a name, a reason or a message are shown as text, in every medium."""

import ast
import csv
import io
import json
import re
import shutil
import sys
import zipfile
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from hostile import NAMED, STORED, TEXTS
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nightbook import shown
from nightbook.errors import NightbookError
from nightbook.landing import ledger, sample
from nightbook.trail import evidence_pack, svg
from runner import commands, locks, terminal
from runner.alerts import metrics_file, notices, watch
from runner.alerts.notices import Ended, Notice

from docsite import blocks, dbt_docs, plots, rendering, series
from docsite.cited import Cited
from impact import report
from impact.comparison import Feature, Impact, Scores
from impact.limits import Limit

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 6, 30, 3)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Every place in the code that shows something or passes it to another program -> the test that covers it.
OUTPUTS = {
    "orchestrate._say": "test_a_line_of_an_error",
    "runner.terminal.say": "test_a_terminal",
    "runner.terminal.explanation": "test_a_terminal",
    "runner.terminal.version": "test_a_terminal",
    "runner.terminal.training": "test_a_terminal",
    "runner.terminal.load": "test_a_terminal",
    "runner.terminal.night": "test_a_terminal",
    "runner.terminal.reproduction": "test_a_terminal",
    "runner.terminal.status": "test_a_terminal",
    "runner.terminal.demo": "test_a_terminal",
    "runner.terminal._table": "test_a_terminal",
    "runner.alerts.watch.end": "test_a_line_of_a_warning",
    "runner.commands.explain": "test_json",
    "runner.commands.explain_version": "test_json",
    "runner.commands.reproduce": "test_json",
    "runner.commands.status": "test_json",
    "nightbook.trail.evidence_pack.write": "test_an_evidence_pack",
    "runner.alerts.metrics_file.write": "test_metrics",
    "runner.alerts.webhook._request": "test_a_message",
    "runner.alerts.notices.changing": "test_json",
    "runner.progress._tell": "by shown.line",
    "runner.openlineage.tell": "test_json",
    "runner.openlineage.deliver": "a number",
    "runner.locks._note": "test_json",
    "runner.snowflake_stage.pack": "code of this project",
    "runner.snowflake_stage.stage": "code of this project",
    "nightbook.scoring.snowflake_functions._create": "code of this project",
    "nightbook.catalog.schema_yaml.write": "YAML of this project, in a checkout",
    "nightbook.catalog.schema_yaml.<module>": "YAML of this project, in a checkout",
    "nightbook.registry.model_versions.log_candidate": "a model's bytes",
    "nightbook.landing.sample.write_sample": "test_a_table",
    "nightbook.landing.ledger.write": "test_json",
    "docsite.rendering.write": "test_a_page",
    "docsite.dbt_docs.write": "test_the_page_of_dbt_s_docs",
    "impact.__main__.main": "test_a_report",
    "impact.__main__.run": "test_a_report",
    "impact.changed.<module>": "a line of a NightbookError, by shown.line",
    "impact.sides._once": "a word of the code's own",
    "impact.sides._call": "by shown.line",
}
_SINKS = {
    "print",
    "write_text",
    "write_bytes",
    "writestr",
    "dump",
    "writerow",
    "writerows",
    "write_to_textfile",
    "Request",
}


def sinks(file: Path) -> set[str]:
    """Functions of a file that print, or write text to a file or a receiver."""
    module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removeprefix("python_models.")
    found = set()

    def look(node: ast.AST, inside: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef):
                look(child, child.name)
                continue
            if isinstance(child, ast.Call):
                name = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
                # A process ends with a number, or with a line that is printed.
                is_line = name == "exit" and child.args and "main" not in ast.dump(child.args[0])
                if name in _SINKS or is_line:
                    found.add(f"{module}.{inside}")
            look(child, inside)

    look(ast.parse(file.read_text()), "<module>")
    return found


def test_every_output_is_held_to_this():
    files = [ROOT / "orchestrate.py", *(ROOT / "python_models" / "nightbook").rglob("*.py")]
    files += [*(ROOT / "runner").rglob("*.py"), *(ROOT / "docsite").rglob("*.py"), *(ROOT / "impact").glob("*.py")]
    found = set().union(*map(sinks, files))
    assert found == set(OUTPUTS), (found - set(OUTPUTS), set(OUTPUTS) - found)
    tests = {name for name in globals() if name.startswith("test_")}
    assert {held for held in OUTPUTS.values() if held.startswith("test_")} <= tests


def is_one_line(text: str) -> bool:
    """Whether nothing in a line moves a cursor, changes the direction of writing or starts another line."""
    return text.isprintable()


# --- terminal ---


def _row(text: str) -> dict:
    figures = {f"{name}{end}": 0.5 for name in ("auc", "ks", "brier") for end in ("", "_low", "_high")}
    counts = {
        name: 3 for name in ("accounts", "applications", "requested", "expected_loss", "mean_pd", "seconds", "value")
    }
    counts |= {"accounts_scored": 3, "applications_scored": 3, "champion_auc": 0.5, "benchmark_auc": 0.5}
    texts = ("model_name", "algorithm", "status", "reasons", "reason", "risk_grade", "triage_band", "ifrs9_stage",
             "feature", "maker", "approver", "change_request", "cadence", "outcome", "actor", "as_of_date")  # fmt: skip
    return figures | counts | dict.fromkeys(texts, text) | {
        "model_version": 1, "rules_met": 1, "decision": "train", "is_by_makers_account": True,
    }  # fmt: skip


def _night(text: str) -> dict:
    return {
        "as_of_date": text,
        "grades": [_row(text)],
        "triage": [_row(text)],
        "provisions": [_row(text)],
        "worst_psi": [_row(text)],
    }


def _told(text: str) -> dict:
    """An explanation with a text in every possible place."""
    model = dict.fromkeys(
        ("model_name", "model_version", "algorithm", "maker", "trained_by_run", "mlflow_run_id", "model_digest",
         "data_digest", "git_commit", "approver", "change_request", "approved_at"), text
    ) | {"is_by_makers_account": True}  # fmt: skip
    run = dict.fromkeys(("run_id", "started_at", "actor", "known_at", "git_commit", "engine", "manifest_digest",
                         "library_digest", "lock_digest", "tests_digest"), text) | {"is_dirty": True}  # fmt: skip
    place = {"file": text, "line": 1, "git_commit": text}
    put = {"feature": text, "value": 1.0, "contribution": 0.5, "description": text, "source": text, "defined_in": place}
    return {
        "kind": text, "key": text, "as_of_date": text, "score": {"score": 600, "risk_grade": text, "pd": 0.01},
        "model": model, "run": run, "inputs": [put], "margin": 0.1, "base_value": 0.2,
        "gate": [{"verdict": text, "reason": text}],
        "raw": {text: [{"_load_id": text, "_loaded_at": text, "is_superseded": False, text + " ": text}]},
    }  # fmt: skip


def _version(text: str) -> dict:
    names = ("maker", "run_id", "mlflow_run_id", "registered_at", "approver", "change_request", "git_commit",
             "data_digest", "model_name", "model_version", "algorithm", "model_digest")  # fmt: skip
    other = {"model_version": text, "differs_in": {text: {"this": text, "other": text}}, "data_that_differs": [text]}
    return dict.fromkeys(names, text) | {
        "libraries": {text: text},
        "row_order": [text],
        "against": other,
        "is_by_makers_account": True,
    }


def _build(text: str) -> SimpleNamespace:
    return SimpleNamespace(run_id=text, models=1, tests=1, rules=1, seconds=1.0, warnings=(text,))


def _state(text: str) -> dict:
    rows = ("champions", "open_approvals", "last_runs", "last_gate")
    return {"home": text, **{name: [_row(text)] for name in rows}, "last_night": _night(text)}


# Every public function of `terminal`, with its arguments.
REPORTS = {
    "load": lambda text: [SimpleNamespace(load_id=text, last_snapshot=text, rows={text: 1}, notes=(text,))],
    "training": lambda text: [_build(text), [_row(text), _row(text) | {"model_version": None}]],
    "training_decision": lambda text: [[_row(text)]],
    "promotion": lambda text: [SimpleNamespace(**_row(text), action=text, previous_version=1)],
    "night": lambda text: [_build(text), _night(text)],
    "explanation": lambda text: [_told(text)],
    "version": lambda text: [_version(text)],
    "reproduction": lambda text: [
        SimpleNamespace(
            night=SimpleNamespace(as_of_date=text, run={"run_id": text}), code=text, compared={text: 1},
            different={text: 0}, differences=[text], notes=[text],
        )
    ],
    "verified": lambda text: [SimpleNamespace(entries=1, facts=1, partitions=1, versions=1, notes=[text], head=text)],
    "status": lambda text: [_state(text)],
    "demo": lambda text: [_state(text), text, text],
    "say": lambda text: [text],
}  # fmt: skip


def test_every_report_is_among_those():
    made_here = {name for name, one in vars(terminal).items() if getattr(one, "__module__", "") == terminal.__name__}
    assert {name for name in made_here if not name.startswith("_")} == set(REPORTS)


@given(text=TEXTS, name=st.sampled_from(sorted(REPORTS)))
@example(text="[/risk]", name="promotion")
@example(text="[/risk]", name="status")
@example(text="\x1b[2J", name="status")
@settings(FEW, max_examples=150)
def test_a_terminal(text, name, capsys):
    """Nothing printed is a command, and all line breaks are the report's own."""
    capsys.readouterr()
    getattr(terminal, name)(*REPORTS[name](text))
    plain = capsys.readouterr().out
    assert all(is_one_line(line) for line in plain.split("\n"))
    if name == "say":
        assert plain == shown.line(text) + "\n"


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_square_brackets_and_colons_are_printed_as_they_are(name, capsys):
    getattr(terminal, name)(*REPORTS[name]("[/risk] :warning:"))
    printed = capsys.readouterr().out
    assert "[/risk]" in " ".join(printed.split()) or "[/ris" in printed


@given(text=TEXTS)
@example(text="--")
@settings(FEW)
def test_a_line_of_an_error(text, capsys, monkeypatch):
    import orchestrate

    monkeypatch.setattr(sys, "argv", ["orchestrate.py", "status"])
    monkeypatch.setattr(sys.stdout, "reconfigure", lambda **_: None, raising=False)
    monkeypatch.delenv("NIGHTBOOK_DEBUG", raising=False)
    for error in (NightbookError(text), ValueError(text)):
        monkeypatch.setattr(commands, "status", Mock(side_effect=error))
        capsys.readouterr()
        assert orchestrate.main() == 1
        said = capsys.readouterr().err
        assert said.endswith("\n") and is_one_line(said[:-1])
    monkeypatch.setattr(sys, "argv", ["orchestrate.py", "score", f"--as-of={text}"])
    with pytest.raises(SystemExit):
        orchestrate.main()
    assert all(is_one_line(line) for line in capsys.readouterr().err.split("\n"))


@given(text=TEXTS)
@settings(FEW)
def test_a_line_of_a_warning(text, capsys, monkeypatch):
    for stream in (None, sys.stderr):
        watched = watch._Watch(None, warnings=stream)
        monkeypatch.setattr(watch._Seen, "now", lambda: watch._Seen(problems=[text], was_asked=True))
        monkeypatch.setattr(watched, "_tell", lambda *_: ({}, None))
        monkeypatch.setattr(watched, "_measure", lambda *_: None)
        capsys.readouterr()
        watched.end()
        assert all(is_one_line(line) for line in "".join(capsys.readouterr()).split("\n"))


# --- HTML ---


class Outline(HTMLParser):
    """A page's tags in order with the names of their attributes, and the texts between them."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.texts, self.values = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        # A word may break after an underscore.
        if tag != "wbr":
            self.tags.append((tag, tuple(name for name, _ in attributes)))
            self.values += [value for _, value in attributes if value]

    def handle_endtag(self, tag):
        self.tags.append(("/", tag))

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        self.tags.append(("comment", data))

    handle_decl = handle_pi = unknown_decl = handle_comment


def page_of(text: str) -> blocks.Page:
    """A page with a text in every kind of block."""
    cited = Cited(text, text)
    value = [text, cited, blocks.Link(text, "index.html"), None]
    found = [
        blocks.Text([text, cited, blocks.Link(text, blocks.file_name(text))]),
        blocks.Missing(text),
        blocks.Facts([(text, value), (text, cited)]),
        blocks.Table([text, text], [[text, cited], [cited, value]], numbers=[1]),
        blocks.Table([text], [[text]], title=text or "title"),
        blocks.Image(f"{text}.svg", "<svg/>", text),
    ]
    return blocks.Page("index.html", text or "nav", text, text, [blocks.Section(text, text, found)])


def test_every_block_is_on_that_page():
    kinds = {one.kind for one in vars(blocks).values() if isinstance(one, type) and hasattr(one, "kind")}
    assert kinds - {block.kind for block in page_of("x").sections[0].blocks} == {"prose"}  # the project's own words


@given(text=TEXTS.map(lambda text: text.replace("`", "'")))
@settings(FEW)
def test_a_page(text, tmp_path):
    """The same elements and attributes as with a plain word. Nothing shows as something else."""
    rendering.write([page_of(text)], tmp_path)
    written = (tmp_path / "index.html").read_text(encoding="utf-8")
    rendering.write([page_of("word")], tmp_path)
    found, plain = Outline(written), Outline((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert found.tags == plain.tags
    assert all(is_one_line(line) for line in re.split("[\n\t]", written))
    assert not any(value.lower().startswith("javascript:") for value in found.values if value != shown.text(text))
    assert {file.name for file in tmp_path.iterdir()} == {"index.html", "style.css", "images"}


@given(text=TEXTS)
@settings(FEW)
def test_an_evidence_pack(text, tmp_path_factory):
    """As a page, and its JSON contains the text itself."""
    file = tmp_path_factory.getbasetemp() / "pack.zip"
    told = _told(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence_pack, "plot", lambda _: "")
        evidence_pack.write(told, file)
        plain = Outline(evidence_pack.page(_told("word")))
    with zipfile.ZipFile(file) as pack:
        assert sorted(pack.namelist()) == ["SHA256SUMS", "explanation.html", "explanation.json"]
        page = pack.read("explanation.html").decode()
        assert json.loads(pack.read("explanation.json")) == told and pack.read("explanation.json").isascii()
    assert Outline(page).tags == plain.tags
    assert all(is_one_line(line) for line in re.split("[\n\t]", page))


def _scripts(page: str) -> list[str]:
    """The content of each script element, as a browser separates them."""
    return re.findall(r"<script[^>]*>(.*?)</script", page, re.DOTALL | re.IGNORECASE)


@given(text=TEXTS.filter(lambda text: "\ud800" not in text))
@settings(FEW)
def test_the_page_of_dbt_s_docs(text, tmp_path_factory):
    """The page's program reads the values of the files, and nothing in them ends its element."""
    place = tmp_path_factory.getbasetemp() / "dbt_docs"
    place.mkdir(exist_ok=True)
    held = {"nodes": {text: {"compiled_code": f"select '{text}' as actor"}}}
    small = '<script>var n={manifest:"MANIFEST.JSON INLINE DATA",catalog:"CATALOG.JSON INLINE DATA"}</script>'
    small += "".join(before for before, _ in dbt_docs._MENDED)

    def document(target: Path) -> None:
        target.mkdir(exist_ok=True)
        (target / "index.html").write_text(small)
        for name in ("manifest.json", "catalog.json"):
            (target / name).write_text(json.dumps(held, ensure_ascii=False), encoding="utf-8", errors="surrogatepass")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt_docs.dbt_build, "document", document)
        shutil.rmtree(place / "target", ignore_errors=True)
        dbt_docs.write(place / "target", place / "index.html")
    [script] = _scripts((place / "index.html").read_text(encoding="utf-8"))
    manifest, catalog = re.fullmatch(r"var n=\{manifest:(.*),catalog:(.*)\}", script, re.DOTALL).groups()
    assert json.loads(manifest) == json.loads(catalog) == held
    assert not set("<>&\u2028\u2029") & set(script)


# --- pictures ---

SIZE = np.array([0.1, 0.2])
CASES = np.array([0, 1, 1, 0])
PICTURES = {
    "plots.roc": lambda text: plots.roc(CASES, {text: np.array([0.1, 0.2, 0.3, 0.4])}),
    "plots.ks": lambda text: plots.ks(CASES, np.array([0.1, 0.2, 0.3, 0.4])),
    "plots.calibration": lambda text: plots.calibration([text, "b"], SIZE, SIZE, SIZE / 2, SIZE * 2),
    "plots.distribution": lambda text: plots.distribution({text: (np.array([600.0, 610.0]), np.ones(2))}),
    "plots.bars": lambda text: plots.bars([text, "b"], [1, 2], text),
    "plots.contributions": lambda text: plots.contributions([text, "b"], np.ones((2, 2)), np.ones((2, 2))),
    "plots.dependence": lambda text: plots.dependence({text: (SIZE, SIZE, text)}),
    "plots.segments": lambda text: plots.segments([text, "b"], SIZE, SIZE, SIZE / 2, SIZE * 2),
    "plots.ratios": lambda text: plots.ratios([text, "b"], SIZE, SIZE / 2, SIZE * 2, {text: 0.8}),
    "series.heat": lambda text: series.heat(
        [text, "b"], ["x", text], np.ones((2, 2)), unit=text, form="{:.2f}", most=1, across=text, down=text
    ),
    "series.over_time": lambda text: series.over_time({text: [(AT.date(), 0.5, 0.4, 0.6)]}, text, {text: 0.5}),
    "series.stacked": lambda text: series.stacked([text, "b"], {text: [1, 2]}, text, text),
    "evidence.plot": lambda text: evidence_pack.plot(_told(text)),
}


def test_every_picture_is_among_those():
    made = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in (plots, series)
        for name, one in vars(module).items()
        if getattr(one, "__module__", "") == module.__name__ and callable(one) and not name.startswith("_")
    }
    assert made - {"plots.bare"} == set(PICTURES) - {"evidence.plot"}


@pytest.mark.filterwarnings("error")
@given(text=TEXTS, name=st.sampled_from(sorted(PICTURES)))
@example(text="$x^", name="plots.bars")
@example(text="\ud800", name="plots.segments")
@example(text="x" * 3000, name="series.heat")
@settings(FEW, max_examples=15)
def test_a_picture(text, name):
    """Well-formed XML without an element from the text, and no warning is printed."""
    picture = PICTURES[name](text)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(picture).iter()}
    assert tags <= {"svg", "defs", "style", "g", "path", "text", "tspan", "use", "clipPath", "rect", "image", "pattern"}
    assert all(is_one_line(line) for line in re.split("[\n\t]", picture))


def test_what_was_patched_for_a_picture_is_as_it_was():
    from matplotlib.text import Text

    before = Text.set_text
    with pytest.raises(ValueError), svg.drawn(1, 1):
        raise ValueError
    assert Text.set_text is before


# --- messages, figures, JSON, tables ---


@given(text=TEXTS)
@settings(FEW)
def test_a_message(text):
    """One line that mentions no channel or person, and contains what was to be said."""
    message = notices.message([Notice(("key",), text, "2026-06-30 03:00")])
    _, said = message["text"].split("\n")
    assert is_one_line(said.replace(shown._NO_WIDTH, ""))
    assert not set("<>") & set(said) and not re.search(r"(?<!\w)@\w", said) and message["mrkdwn"] is False
    read = said.replace(shown._NO_WIDTH, "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert read == f"2026-06-30 03:00 UTC {notices._cut(text)}"


@given(text=STORED)
@settings(FEW)
def test_metrics(text, tmp_path_factory, monkeypatch):
    """Prometheus' own parser finds the label as a terminal would show it, one sample per line."""
    file = tmp_path_factory.getbasetemp() / "hostile.prom"
    monkeypatch.setattr(metrics_file, "_runs", lambda query: [("nightbook_auc", 0.5, {"model": text})])
    for other in ("_rows", "_drift", "_gate", "_champions", "_performance", "_deadlines"):
        monkeypatch.setattr(metrics_file, other, lambda query: [])
    figures, problems = metrics_file.measured(None)
    figures = figures | metrics_file.of_runs({text: Ended(str(AT), str(AT), None)})
    metrics_file.write(file, figures)
    assert not problems and metrics_file.read(file) == figures
    assert all(is_one_line(line) for line in file.read_text().split("\n"))


@given(text=TEXTS)
@settings(FEW)
def test_json(text, capsys, monkeypatch, tmp_path):
    """ASCII, whatever a terminal would make of other characters, and the same text when read again."""
    monkeypatch.setenv("NIGHTBOOK_HOME", str(tmp_path))
    monkeypatch.setattr(commands.summaries, "status", lambda: {"actor": text, text: [text]})
    capsys.readouterr()
    commands.status(as_json=True)
    printed = capsys.readouterr().out
    assert printed.isascii() and json.loads(printed) == {"actor": text, text: [text]}
    assert all(one == "\n" or one >= " " for one in printed)
    if "\x00" not in text and "\ud800" not in text:
        monkeypatch.setattr(locks.home, "actor", lambda: text)
        locks._note(tmp_path, text)
        assert (tmp_path / "lock.json").read_text().isascii() and locks._noted(tmp_path).actor == text
        ledger.write(tmp_path, text, {text: 1}, {"keys": {text: 1}})
        manifest = (tmp_path / ledger.MANIFEST).read_text()
        assert manifest.isascii() and json.loads(manifest)["load_id"] == text
    with notices.changing() as journal:
        journal.add([Notice((text,), text)])
    assert (tmp_path / "notices" / "journal.json").read_text().isascii() and text in [
        one.text for one in notices.read().waiting
    ]


def test_whoever_writes_json_leaves_it_ascii():
    """All JSON is written by Python's own module with its defaults."""
    for file in [
        *(file for folder in ("python_models", "runner", "docsite") for file in (ROOT / folder).rglob("*.py"))
    ]:
        # The catalog writes this project's YAML, for this project only.
        assert file.name == "schema_yaml.py" or "ensure_ascii" not in file.read_text(), file


@given(texts=st.lists(STORED, min_size=1, max_size=4))
@settings(FEW)
def test_a_table(texts):
    """No cell of our CSV files starts like a formula, and each is one cell."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerows([[cell] for cell in sample._texts(pa.chunked_array([texts], pa.string()))])
    found = [row[0] if row else "" for row in csv.reader(io.StringIO(written.getvalue()))]
    assert len(found) == len(texts)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in found)


def _impact(text: str) -> Impact:
    changes = ("added", "removed", "renamed", "changed", "left_out", "redeclared")
    return Impact(
        features=[Feature(text, text, change, True, 2, 1, 0.5, 0.6, 0.1, text) for change in changes],
        scores=[Scores(text, 2, 1, 1, 0.1, 0.2, 0.3, {(text, text + "x"): 1})],
        loss=(1.0, 2.0), restaged=1, queued=2, rebanded=1, rereasoned=1,
        measured=[{"model_name": text, "metric": text, "base": 0.5, "change": 0.6, "low": 0.4, "high": 0.7}],
        verdicts=[{"model_name": text, "rule": text, "reason": text}],
        seconds={text: (1.0, 2.0)},
    )  # fmt: skip


def _rendered(text: str) -> list[str]:
    """The elements of a report, as a Markdown reader that accepts HTML and addresses creates them."""
    for accepted in ("", text):
        found = report.markdown({text: _impact(text)}, [Limit(text, text, 2.0, 1.0, accepted)], "how", [text])
        html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(found)
        yield [tag for tag in Outline(html).tags if tag[0] != "code" and tag != ("/", "code")]
        assert not re.search(r"(?<![\w&])[@#]\w", "".join(Outline(html).texts))
        assert all(is_one_line(line) for line in found.split("\n"))


@given(text=TEXTS.filter(lambda text: text.strip()))
@example(text="| a | b |")
@example(text="`code`")
@settings(FEW)
def test_a_report(text):
    assert list(_rendered(text)) == list(_rendered("word"))


@pytest.mark.parametrize("text", NAMED)
def test_a_line_is_what_it_was_where_all_of_it_can_be_seen(text):
    assert (shown.line(text) == text) == text.isprintable()
    assert is_one_line(shown.line(text)) and shown.line(shown.line(text)) == shown.line(text)
