"""Time zones and deadlines in SQL against Python's own calendar."""

from datetime import UTC, datetime, timedelta

import pytest
import pytz

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe")
# Every seven hours through both clock changes, in both hemispheres.
MOMENTS = [datetime(2024, 1, 1) + timedelta(hours=7 * number) for number in range(1260)]


def cases(rows: list[tuple], columns: str) -> str:
    """A VALUES list of times, texts and numbers."""
    literals = (", ".join(f"timestamp '{x}'" if isinstance(x, datetime) else repr(x) for x in row) for row in rows)
    return f"(values {', '.join(f'({row})' for row in literals)}) as cases ({columns})"


def local(moment: datetime, zone: str) -> datetime:
    return pytz.utc.localize(moment).astimezone(pytz.timezone(zone)).replace(tzinfo=None)


def test_local_time_and_back(project):
    rows = [(moment, zone) for moment in MOMENTS[::7] for zone in ZONES]
    there = "local_time('moment', 'zone')"
    found = project.query(
        f"select moment, zone, {{{{ {there} }}}}, {{{{ utc_time({there}, 'zone') }}}} from "
        + cases(rows, "moment, zone")
    )
    assert {(moment, zone): shown for moment, zone, shown, _ in found} == {row: local(*row) for row in rows}
    # An hour that occurs twice has two answers.
    assert all(abs(back - moment) <= timedelta(hours=1) for moment, *_, back in found)
    assert sum(back != moment for moment, *_, back in found) < len(rows) / 100


def test_now_is_utc_whatever_the_session_is(project):
    ((there,),) = project.query("select {{ now_utc() }}", setup=["set TimeZone = 'Asia/Kathmandu'"])
    assert abs(there - datetime.now(UTC).replace(tzinfo=None)) < timedelta(seconds=60)


def test_seconds(project):
    pairs = [(a, b, (b - a).days * 3) for a in MOMENTS[::400] for b in MOMENTS[::300]]
    found = project.query(
        "select a, b, n, {{ seconds_between('a', 'b') }}, {{ add_seconds('a', 'n') }} from " + cases(pairs, "a, b, n")
    )
    assert {row[:3]: row[3:] for row in found} == {
        (a, b, n): ((b - a).total_seconds(), a + timedelta(seconds=n)) for a, b, n in pairs
    }


@pytest.mark.parametrize(
    ("zone", "due_seconds", "weekday", "opens_hours"),
    [
        ("UTC", 6 * 3600, None, 12),
        ("America/New_York", 6 * 3600, None, 0),
        ("Europe/Berlin", 23 * 3600 + 1800, None, 24),
        ("UTC", 6 * 3600, 1, 144),
        ("Asia/Kathmandu", 0, 7, 30),
    ],
)
def test_due_date_of_is_that_of_the_window_that_holds_the_time(project, zone, due_seconds, weekday, opens_hours):
    """Compared with a search for the last window that has opened."""
    made = f"""
        select '{zone}' as time_zone, {due_seconds} as due_seconds, {opens_hours} as opens_hours,
        cast({weekday or "null"} as integer) as weekday
    """
    found = project.query(
        "select moment, {{ due_date_of('moment', 'deadline') }} from "
        + cases([(moment,) for moment in MOMENTS], "moment")
        + f" cross join ({made}) as deadline"
    )

    def due_date(moment: datetime):
        there = local(moment, zone)
        days = [there.date() + timedelta(days=ahead) for ahead in range(9, -9, -1)]
        for day in days:
            due_at = datetime.combine(day, datetime.min.time()) + timedelta(seconds=due_seconds)
            if weekday in (None, day.isoweekday()) and due_at - timedelta(hours=opens_hours) <= there:
                return day

    assert dict(found) == {moment: due_date(moment) for moment in MOMENTS}
