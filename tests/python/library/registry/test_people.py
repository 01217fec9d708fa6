"""Names of people: unreadable names are refused, and names that a reader could confuse count as one person."""

import csv
import re
import string
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from library_store import APPROVER, MAKER, book
from nightbook import people
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.registry import model_versions, record
from nightbook.trail import audit, explanation_text
from runner import policy, promotions, terminal

from tests.python import recorded

WORDS = {"approver": APPROVER, "change_request": "CR-1"}

# Once accepted as different names, besides another case and extra blanks. Each reads as "Ann Maker".
VARIANTS = {
    "zero-width space": "Ann\u200b Maker",
    "zero-width joiner": "Ann\u200d Maker",
    "zero-width non-joiner": "Ann Ma\u200cker",
    "word joiner": "Ann\u2060 Maker",
    "soft hyphen": "Ann Ma\u00adker",
    "right-to-left mark": "Ann Maker\u200f",
    "combining grapheme joiner": "Ann\u034f Maker",
    "variation selector": "Ann\ufe0f Maker",
    "Hangul filler": "Ann\u3164Maker",
    "tag letter": "Ann Maker\U000e0061",
    "no-break space": "Ann\u00a0Maker",
    "two blanks": "Ann  Maker",
    "no blank": "AnnMaker",
    "Cyrillic A": "\u0410nn Maker",
    "Cyrillic a and e": "Ann M\u0430k\u0435r",
    "Cyrillic em": "Ann \u043caker",
    "Greek capital nu": "A\u039d\u039d MAKER",
    "Greek capitals": "\u0391NN \u039cA\u039a\u0395R",
    "full width": "\uff21\uff4e\uff4e \uff2d\uff41\uff4b\uff45\uff52",
    "mathematical bold": "\U0001d400\U0001d427\U0001d427 Maker",
    "small capitals": "\u1d00\u0274\u0274 \u1d0d\u1d00\u1d0b\u1d07\u0280",
    "circled": "\u24b6\u24dd\u24dd Maker",
    "squared in black": "\U0001f170nn Maker",
    "regional indicator": "\U0001f1e6nn Maker",
    "accent": "\u00c1nn Maker",
    "combining accent": "A\u0301nn Maker",
    "stroke through": "Ann Ma\ua741er",
    "enclosing circle": "A\u20ddnn Maker",
    "rn": "Ann rnaker",
    "modifier low line": "Ann\u02cdMaker",
    "Arabic stretching": "Ann \u0640 Maker",
    "bar": "Ann|Maker",
    "family name first": "Maker, Ann",
    **{
        f"hyphen U+{ord(hyphen):04X}": f"Ann{hyphen}Maker"
        for hyphen in "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad\ufe63\uff0d\u058a\u30fb_./'\u2019"
    },
}
PAIRS = [
    ("Fiona", "\ufb01ona"),
    ("Affleck", "A\ufb04eck"),
    ("ian", "\u0131an"),
    ("Ian", "lan"),
    ("lan", "1an"),
    ("IAN", "|AN"),
    ("bob", "b0b"),
    ("Bob", "BOB"),
    ("BOB", "B\u039fB"),
    ("Strasse", "Stra\u00dfe"),
    ("demo-modeller", "demo\u2011m\u043edeller"),
    ("\u0418\u0432\u0430\u043d", "\u0418BAH"),
    ("Jos\u00e9", "Jose"),
    ("\u0141ukasz", "Lukasz"),
    ("svc-1", "svc-l"),
    ("Ma\u00f0", "Ma\u2202"),
]
OTHERS = [
    ("Ann Maker", "Bob Maker"),
    ("hs", "ns"),
    ("nk", "vk"),
    ("mk", "nk"),
    ("svc-train-1", "svc-train-2"),
    ("ada", "grace"),
    ("Ma\u00f0", "Ma"),
    ("\u674e\u56db", "\u5f20\u4e09"),
    ("\u0410\u043d\u043d\u0430", "\u041e\u043b\u044c\u0433\u0430"),
]
UNREADABLE = {
    "nothing": "",
    "a blank": " ",
    "a newline": "\n",
    "a zero-width space": "\u200b",
    "a joiner": "\u200d",
    "an ideographic blank": "\u3000",
    "a Hangul filler": "\u3164",
    "a half-width filler": "\uffa0",
    "a blank of Braille": "\u2800",
    "a soft hyphen": "\u00ad",
    "a combining joiner": "\u034f",
    "an accent alone": "\u0301",
    "punctuation": "---",
    "a control character": "ann\x07",
    "an escape": "\x1b[31mann",
    "a line break": "ann\nmaker",
    "a line separator": "ann\u2028maker",
    "an override of direction": "ann\u202erekam",
    "a tag": "ann\U000e0041",
    "private use": "ann\ue000",
    "unassigned": "ann\u0378",
    "half a pair": "ann\ud800",
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_what_a_reader_takes_for_the_maker_is_the_maker(variant):
    assert people.same_person(MAKER, variant) and people.same_person(variant, MAKER)
    with pytest.raises(NightbookError) as caught:
        people.second_of("version 1", MAKER, approver=variant, actor="bob")
    assert "who cannot approve it" in str(caught.value)
    # It does not help to type it under such a name either.
    with pytest.raises(NightbookError):
        people.second_of("version 1", MAKER, approver="bob", actor=variant)


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_look_alikes_are_one(one, other):
    assert people.same_person(one, other) and people.same_person(other, one)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_people_are_others(one, other):
    assert not people.same_person(one, other) and not people.same_person(other, one)


@pytest.mark.parametrize("name", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_refused(name, monkeypatch):
    with pytest.raises(NightbookError) as caught:
        people.checked(name, "--approver")
    assert str(caught.value).startswith("--approver ") and str(caught.value).isprintable()
    if "\ud800" not in name:
        monkeypatch.setenv("NIGHTBOOK_ACTOR", name)
        with pytest.raises(NightbookError, match="^NIGHTBOOK_ACTOR .* or unset it to use the login name$"):
            home.actor()


READABLE = [
    "ada",
    " ada ",
    "Ann Maker",
    "O'Brien",
    "ada@bank.example",
    "svc-1",
    "\u674e\u56db",
    "Jos\u00e9",
    "Jose\u0301",
]


@pytest.mark.parametrize("name", READABLE)
def test_names_of_people_pass(name, monkeypatch):
    assert people.checked(name, "--approver") == name.strip()
    monkeypatch.setenv("NIGHTBOOK_ACTOR", name)
    assert home.actor() == name.strip()


def test_unset_is_the_login_and_without_one_nobody(monkeypatch):
    monkeypatch.delenv("NIGHTBOOK_ACTOR")
    monkeypatch.setenv("LOGNAME", "login")
    assert home.actor() == "login"
    monkeypatch.setenv("LOGNAME", "\u200b")
    with pytest.raises(NightbookError, match="^the login name has .*: set NIGHTBOOK_ACTOR"):
        home.actor()

    def nobody():
        raise OSError("no username set in the environment")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert home.actor() == people.NOBODY


NAMES = st.text(string.ascii_letters + string.digits + " -", min_size=1, max_size=20).filter(
    lambda name: re.search(r"[A-Za-z0-9]", name)
)


def _skeleton(name: str) -> str:
    """The expected answer of same_person for plain names, computed differently."""
    kept = re.sub(r"[^a-z0-9]", "", name.lower())
    return kept.replace("m", "rn").replace("0", "o").translate(str.maketrans("i1", "ll"))


def _alike(character: str) -> list[str]:
    wide = chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character
    alike = [one for one, prototype in people._prototypes().items() if prototype == character]
    return [character, character.swapcase() if character.isascii() else character, wide, *alike]


@st.composite
def disguised(draw) -> tuple[str, str]:
    """A name, and the same name with look-alike characters and invisible ones inserted."""
    name = draw(NAMES)
    unseen = st.sampled_from(
        ["", "\u200b", "\u200d", "\u00ad", "\u0301", "\u2060", "\ufe0f", "\u034f", "-", " ", "\u2010"]
    )
    return name, "".join(draw(st.sampled_from(_alike(one))) + draw(unseen) for one in name)


@settings(max_examples=300, deadline=None)
@given(disguised())
def test_no_disguise_makes_another_person(pair):
    name, disguise = pair
    assert people.same_person(name, disguise) and people.same_person(disguise, name)


@settings(max_examples=300, deadline=None)
@given(NAMES, NAMES)
def test_plain_names_are_one_where_their_skeletons_are(one, other):
    assert people.same_person(one, one)
    if _skeleton(one) != _skeleton(other):
        # For a capital I, both looks count.
        assert not people.same_person(one, other)
    else:
        assert people.same_person(one, other)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20))
def test_what_passes_can_be_read(name):
    try:
        passed = people.checked(name, "--approver")
    except NightbookError as error:
        assert str(error).isprintable()
        return
    assert passed.isprintable() and any(one.isalnum() for one in passed)
    assert not {unicodedata.category(one) for one in passed} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize("nobody", ["unknown", " Unknown", "unkn\u043ewn", "Nobody", "no-body"])
@pytest.mark.parametrize("role", ["maker", "approver", "actor"])
def test_nobody_answers_for_nothing(nobody, role):
    names = {"maker": MAKER, "approver": "bob", "actor": "bob"} | {role: nobody}
    with pytest.raises(NightbookError, match="no known maker" if role == "maker" else "which does not name a person"):
        people.second_of("version 1", names["maker"], approver=names["approver"], actor=names["actor"])


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(NightbookError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("actor", [MAKER, "ann-maker", "\u0410nn Maker"])
def test_a_maker_who_types_another_name_is_refused(model_name, monkeypatch, actor):
    monkeypatch.setenv("NIGHTBOOK_ACTOR", actor)
    message = refusal(promotions.approve, model_name, 1, **WORDS)
    assert message.startswith(f"{model_name} version 1 was made by Ann Maker, and the actor {actor} is the same")
    assert "let bob run this command" in message
    assert model_versions.champion_version(model_name) is None and book().record().moves(model_name) == []


def test_nobody_approves_for_nobody(model_name, monkeypatch):
    monkeypatch.setenv("NIGHTBOOK_ACTOR", "unknown")
    assert "does not name a person" in refusal(promotions.approve, model_name, 1, **WORDS)
    monkeypatch.setenv("NIGHTBOOK_ACTOR", "\u200b")
    assert refusal(promotions.approve, model_name, 1, **WORDS).startswith("NIGHTBOOK_ACTOR has an invisible character")
    monkeypatch.setenv("NIGHTBOOK_ACTOR", APPROVER)
    assert "does not name a person" in refusal(promotions.approve, model_name, 1, **WORDS | {"approver": "nobody"})
    hidden = WORDS | {"change_request": "CR\u200b-1"}
    assert refusal(promotions.approve, model_name, 1, **hidden).startswith(
        "--change-request has an invisible character"
    )
    assert book().record().moves(model_name) == []


def test_a_rollback_is_an_approval(store, monkeypatch):
    """Nobody can roll back to their own version, under either name. Another colleague can."""
    name = "mixed_pd"
    book().register(name, store.runs[0], maker="carol", run_id="run-0")
    book().register(name, store.runs[1], maker=MAKER, run_id="run-0")
    promotions.approve(name, 1, **WORDS)
    promotions.approve(name, 2, **WORDS)
    back = {"approver": "c\u0430rol", "change_request": "CR-2"}
    assert "version 1 was made by carol, who cannot approve it" in refusal(promotions.rollback, name, **back)
    monkeypatch.setenv("NIGHTBOOK_ACTOR", "Carol")
    message = refusal(promotions.rollback, name, approver="dave", change_request="CR-2")
    assert "version 1 was made by carol, and the actor Carol is the same person" in message
    # The maker of the version that is replaced may roll it back.
    monkeypatch.setenv("NIGHTBOOK_ACTOR", MAKER)
    made = promotions.rollback(name, approver="dave", change_request="CR-2")
    assert made.model_version == 1 and made.is_by_makers_account is False


@pytest.fixture
def rows_of_policy(tmp_path, monkeypatch):
    """A function that writes the policy seed of this test's own checkout."""

    def write(*values: str) -> None:
        policy_file.write_text(
            "name,value\noutcome_months,12\n" + "".join(f"{policy.ONE_ACCOUNT},{v}\n" for v in values)
        )

    policy_file = tmp_path / policy.FILE
    policy_file.parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return write


def test_one_account_for_both_is_policy_on_record_and_shown(model_name, monkeypatch, rows_of_policy, capsys):
    monkeypatch.setenv("NIGHTBOOK_ACTOR", "ann-maker")
    rows_of_policy("false")
    assert "set one_account_trains_and_approves in seeds/reference/policy.csv" in refusal(
        promotions.approve, model_name, 1, **WORDS
    )
    rows_of_policy("true")
    # Even then, another person must decide.
    assert "who cannot approve it" in refusal(promotions.approve, model_name, 1, **WORDS | {"approver": MAKER})
    made = promotions.approve(model_name, 1, **WORDS)
    assert made.is_by_makers_account and book().entries[-1]["payload"].endswith('"is_by_makers_account": true}')
    version = book().record().version(model_name, 1)
    assert version.is_by_makers_account
    words = "bob, typed by the account that made it"
    terminal.promotion(made)
    state = {"home": "", "champions": [vars(version)], "open_approvals": [], "last_runs": [], "last_gate": []}
    terminal.status(state | {"last_night": None})
    said = " ".join(capsys.readouterr().out.split())
    assert f"(approve by {words}, CR-1" in said and "account that made it" in said.split("Champions in")[1]
    told = vars(version) | {"libraries": {}, "row_order": []}
    assert ("last approved by " + words + " under CR-1", []) in explanation_text.of_version(told)[1]
    monkeypatch.setenv("NIGHTBOOK_ACTOR", "carol")
    assert promotions.approve(model_name, 2, **WORDS).is_by_makers_account is False


@pytest.mark.parametrize("values", [("yes",), ("True ",), ("",), ("true", "true"), ("false", "true")])
def test_a_policy_that_is_not_plain_allows_nothing(model_name, rows_of_policy, values):
    rows_of_policy(*values)
    assert "write one row with true or false" in refusal(promotions.approve, model_name, 1, **WORDS)


def test_without_the_row_nothing_is_allowed_and_without_the_file_nothing_is_said(rows_of_policy):
    rows_of_policy()
    assert policy.one_account_trains_and_approves() is False
    policy.FILE.unlink()
    assert "cannot be read (FileNotFoundError)" in refusal(policy.one_account_trains_and_approves)


def test_the_policy_of_this_checkout_wants_two():
    assert policy.one_account_trains_and_approves() is False
    with policy.FILE.open(newline="") as file:
        assert [row["value"] for row in csv.DictReader(file) if row["name"] == policy.ONE_ACCOUNT] == ["false"]


def test_a_promotion_from_before_it_was_asked_says_neither(model_name):
    row = vars(promotions.approve(model_name, 1, **WORDS))
    kept = book().promotions
    kept[-1] = {name: value for name, value in kept[-1].items() if name != "is_by_makers_account"}
    entries = book().entries
    payload = entries[-1]["payload"].replace(', "is_by_makers_account": false', "")
    entries[-1] = recorded.linked([entries[-1] | {"payload": payload}], entries[-2])[0]
    known = book().record()
    known.hold()
    assert known.moves(model_name)[0].is_by_makers_account is None
    assert people.approval(row["approver"], None) == APPROVER


def test_a_promotion_that_went_around_approve_is_noted(store):
    """By the macro itself, which anybody who runs dbt can run. Its entry is valid, and names the maker."""
    name, made = "own_pd", recorded.Book()
    for run in store.runs[:2]:
        made.register(name, run, maker=MAKER, run_id="run-0")
    for number, approver, actor in ((1, "ann-m\u0430ker", "bob"), (2, "bob", MAKER)):
        made.write(record.Promotion(name, number, "approve", number, number - 1 or None, approver, "CR-1", actor,
                                      recorded.THEN, False))  # fmt: skip
    model_versions.move_champion(name, 2)
    message = f"^{name} version 2: {MAKER} made it and took part in its approval: it needs somebody else's approval"
    with pytest.raises(NightbookError, match=message):
        audit._check_registry(made.record())
    made.write(record.Promotion(name, 3, "approve", 2, 2, "bob", "CR-1", "cho", recorded.THEN, False))
    _, notes = audit._check_registry(made.record())
    assert [note for note in notes if note.startswith(name)] == [
        f"{name} promotion {number}: {who} made version {number} and took part in this: it was not recorded by"
        " `approve`, or an earlier version of the project recorded it"
        for number, who in ((1, "ann-m\u0430ker"), (2, MAKER))
    ]
