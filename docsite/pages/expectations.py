"""Supervisors' expectations, and where the evidence for each is. The list is expectations.csv."""

import csv
from collections.abc import Iterator
from pathlib import Path

from docsite.blocks import Link, Page, Section, Table, Text
from docsite.pages.models import path
from docsite.reading import Reading

ORDER = 60
_FILE = Path(__file__).parents[1] / "expectations.csv"
_OF_MODELS = "models/{model}.html"


def pages(reading: Reading) -> Iterator[Page]:
    """One page. A row about models links to each model."""
    with _FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    head = ["expectation", "SR 26-2", "SR 11-7", "EBA/GL/2017/16", "EBA/GL/2020/06", "evidence"]
    sections = [
        Section(topic, topic.lower(), [Table(head, [_row(row, reading) for row in rows if row["topic"] == topic])])
        for topic in dict.fromkeys(row["topic"] for row in rows)
    ]
    basis = Section(
        "References",
        "basis",
        [
            Text(
                [
                    "SR 26-2 (Federal Reserve, OCC and FDIC, Revised Guidance on Model Risk Management, 17 April "
                    "2026; the OCC's Bulletin 2026-13), by part. It replaced SR 11-7 (Supervisory Guidance on Model "
                    "Risk Management, 2011), which is given by section and key element, because policies and earlier "
                    "findings cite it. EBA/GL/2017/16 (PD estimation, LGD estimation and defaulted exposures), by "
                    "section. EBA/GL/2020/06 (loan origination and monitoring), sections 4.3.3 and 4.3.4 on "
                    "technology and models. An empty field means that the guidance has no matching requirement."
                ]
            ),
            Text(
                [
                    "The list says where the evidence is. Whether it is enough is the validator's judgement. The list "
                    "is docsite/expectations.csv; a test fails if one of its links is broken."
                ]
            ),
        ],
    )
    yield Page(
        "expectations.html",
        "expectations",
        "Supervisors' expectations",
        "What SR 26-2, SR 11-7 before it and their European equivalents ask of a model, and where this site answers.",
        [*sections, basis],
    )


def _row(row: dict, reading: Reading) -> list[object]:
    links: list[object] = []
    if row["link"].startswith(_OF_MODELS):
        for name in reading.model_names():
            anchor = _anchor(row["link"].partition("#")[2], reading, name)
            links += [" " if links else "", Link(name, path(name) + anchor)]
        evidence = [row["evidence"], ": ", *links]
    else:
        evidence = [Link(row["evidence"], row["link"])]
    guidance = [row[name] for name in ("sr_26_2", "sr_11_7", "eba_gl_2017_16", "eba_gl_2020_06")]
    return [row["expectation"], *guidance, evidence]


def _anchor(anchor: str, reading: Reading, name: str) -> str:
    """The page of a model without a champion has fewer sections, and says why."""
    from nightbook.registry import model_versions

    has_champion = model_versions.champion_version(name) is not None
    return (
        f"#{anchor}" if has_champion or anchor in ("purpose", "population", "inputs", "limitations", "changes") else ""
    )
