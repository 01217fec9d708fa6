"""A page per scoring model, for all models of the catalog and the record: the model-risk documentation."""

from collections.abc import Iterator

from docsite.blocks import Missing, Page, Section, file_name
from docsite.model import changes, data, explanation, performance, purpose, segments, stability
from docsite.model.subject import Subject
from docsite.reading import Reading

ORDER = 10
_OF_A_CHAMPION = (
    data.section,
    data.inputs,
    performance.candidates,
    performance.holdout,
    performance.calibration,
    performance.distribution,
    explanation.importance,
    explanation.dependence,
    explanation.monotonicity,
    segments.section,
    stability.section,
)


def path(name: str) -> str:
    """Path of a model's page from the site's root."""
    return f"models/{file_name(name)}.html"


def pages(reading: Reading) -> Iterator[Page]:
    """One page per model, with or without a champion."""
    for name in reading.model_names():
        yield page(reading, name)


def page(reading: Reading, name: str) -> Page:
    """The page of one model.

    Raises:
        NightbookError: record, registry and artifact of its champion disagree.
    """
    return Page(
        path(name),
        name,
        f"{name}: model documentation",
        "What a validation under SR 26-2 (before it, SR 11-7) asks of this model, from the last training and the last "
        "night. Point at a figure to see its source.",
        list(_sections(Subject.of(reading, name))),
    )


def _sections(subject: Subject) -> Iterator[Section]:
    yield purpose.section(subject)
    yield purpose.population(subject)
    if subject.version is None:
        yield data.inputs(subject)
        yield _last_candidate(subject)
    else:
        for make in _OF_A_CHAMPION:
            yield make(subject)
    yield purpose.limitations(subject)
    yield changes.section(subject)


def _last_candidate(subject: Subject) -> Section:
    found = subject.candidate
    message = (
        f"The last training's candidate: {found['status']}, {found['reason']}."
        if found
        else "Nothing has been trained."
    )
    return Section("Last candidate", "candidates", [Missing(message)])
