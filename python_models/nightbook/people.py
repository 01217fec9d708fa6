"""Names of people: which are readable, and when two of them mean the same person.

The maker of a version may not approve it. Names are typed by hand, so two names that a reader could confuse count as
one. A false match costs another colleague's approval; a missed match would remove the four-eyes check.
"""

import functools
import json
import re
import unicodedata
from importlib import resources

from nightbook.errors import NightbookError

# The name of a run that has neither a name nor a login (macro actor). People may also type the second one.
NOBODY = "unknown"
_NOBODIES = (NOBODY, "nobody")
# Python calls these printable, but they are invisible: fillers, joiners, variation selectors, a Braille blank. The
# macro refuse_nameless_actor has the same list.
UNSEEN = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
# Letters for which confusables.txt has no line: small capitals, letters with a stroke or a hook, letters in coloured
# squares, letters of flags.
_LATIN = re.compile(
    r"^(?:LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL)|NEGATIVE \w+ LATIN CAPITAL LETTER"
    r"|REGIONAL INDICATOR SYMBOL LETTER) ([A-Z])(?: WITH .+)?$"
)


def checked(name: str, option: str, remedy: str = "write the name of the person responsible") -> str:
    """Check that a name can be read, and remove the blanks around it.

    Args:
        name: the name as given.
        option: where it was given, in the user's terms.
        remedy: what to do, as the end of the message.

    Raises:
        NightbookError: it is empty, has neither letter nor digit, or has an invisible character: control, format,
            another blank than the space, unassigned, private use.
    """
    name = name.strip()
    for character in name:
        if not character.isprintable() or re.match(UNSEEN, character):
            raise NightbookError(f"{option} has an invisible character, U+{ord(character):04X}: {remedy}")
    if not any(character.isalnum() for character in name):
        raise NightbookError(f"{option} {'has no letter or digit' if name else 'is empty'}: {remedy}")
    return name


def same_person(one: str, other: str) -> bool:
    """Whether two names are the same, or a reader could confuse them.

    Case, accents, blanks, hyphens, other punctuation and the order of words make no difference. Characters that look
    alike by Unicode's confusables (UTS 39) count as the same: letters of other scripts, full-width forms, ligatures, rn
    and m, l and i and 1, O and 0.
    """
    return bool(_forms(one) & _forms(other))


def is_nobody(name: str) -> bool:
    """Whether a name says that nobody is known, or has no letters at all."""
    return "" in _forms(name) or any(same_person(name, nobody) for nobody in _NOBODIES)


def second_of(what: str, maker: str, *, approver: str, actor: str, one_account: bool = False) -> bool:
    """Check that somebody other than the maker approves a version.

    Args:
        what: the version, as a message names it.
        maker: the actor of the training that made it.
        approver, actor: who decided, and who typed the command.
        one_account: whether policy lets the maker's account type what somebody else has decided.

    Returns:
        Whether the maker's account typed it.

    Raises:
        NightbookError: one of the three is nobody, or the maker is one of the other two.
    """
    if is_nobody(maker):
        raise NightbookError(
            f"{what} has no known maker, so no approver can be shown to differ: train again with NIGHTBOOK_ACTOR set"
        )
    for name, option in ((approver, "--approver"), (actor, "NIGHTBOOK_ACTOR, or the login name,")):
        if is_nobody(name):
            raise NightbookError(f"{option} is {name}, which does not name a person: name the person responsible")
    if same_person(maker, approver):
        raise NightbookError(f"{what} was made by {maker}, who cannot approve it: ask another person")
    if not same_person(maker, actor):
        return False
    if not one_account:
        raise NightbookError(
            f"{what} was made by {maker}, and the actor {actor} is the same person: let {approver} run this command "
            "with their own NIGHTBOOK_ACTOR, or set one_account_trains_and_approves in seeds/reference/policy.csv"
        )
    return True


def approval(approver: str | None, is_by_makers_account: bool | None) -> str:
    """Who approved a version, in words for a reader."""
    return f"{approver or 'nobody'}{', typed by the account that made it' if is_by_makers_account else ''}"


@functools.lru_cache(maxsize=1024)
def _forms(name: str) -> frozenset[str]:
    """All forms of a name without the differences that do not distinguish people.

    A character may look different from the letter it stands for, or from its own lower case. I looks like l; a Greek
    capital nu looks like N, a small one like v. So there is a form of the looks, and one of the looks of the letter
    meant.
    """
    found = set()
    # A bar looks like l, but it is also a separator between words.
    for text in {name, name.replace("|", " ")}:
        words = [word for word in re.split(r"[\W_]+", unicodedata.normalize("NFC", text)) if word]
        for meant in (lambda one: unicodedata.normalize("NFKC", one).casefold(), lambda one: _look(one).casefold()):
            found.add(_letters(_look(meant(text))))
            if len(words) > 1:
                # The family name may come first.
                found.add("".join(sorted(_letters(_look(meant(word))) for word in words)))
    return frozenset(found)


def _look(text: str) -> str:
    return "".join(map(_prototype, unicodedata.normalize("NFD", text)))


def _prototype(character: str) -> str:
    found = _prototypes().get(character) or _latin(character)
    if found is None:
        plain = unicodedata.normalize("NFKC", character)
        return character if plain == character else _look(plain)
    return found


def _latin(character: str) -> str | None:
    """The small letter that a reader sees in a character. None for other characters and for plain letters."""
    is_plain = len(character) != 1 or character.isascii()
    letter = None if is_plain else _LATIN.search(unicodedata.name(character, ""))
    return letter and {"M": "rn"}.get(letter[1], letter[1].lower())


def _letters(text: str) -> str:
    kept = [one for one in unicodedata.normalize("NFD", text.casefold()) if _is_letter(one) or one in _symbols()]
    # The prototype of dashes is a letter, the long vowel of Katakana.
    return re.sub(f"{UNSEEN}|\u30fc", "", "".join(kept)).replace("i", "l")


def _is_letter(character: str) -> bool:
    """Modifiers are not letters here. A reader sees them as marks: a low line, a circumflex, an Arabic stretching."""
    return unicodedata.category(character)[0] in "LN" and unicodedata.category(character) != "Lm"


@functools.cache
def _symbols() -> frozenset[str]:
    """Symbols that are prototypes of letters, such as the partial differential for the Icelandic eth."""
    return frozenset(
        symbol
        for one, prototype in _prototypes().items()
        if _is_letter(one[0])
        for symbol in prototype
        if unicodedata.category(symbol)[0] == "S"
    )


@functools.cache
def _prototypes() -> dict[str, str]:
    """Character -> its prototype, one or several characters that stand for all that look like it.

    Source: Unicode's confusables.txt, as homoglyphs_fork lists it. The library lists each pair both ways. A line of the
    file leads from a character to its prototype. The prototype has many characters, or with only one, it is the longer
    or the smaller of the two.
    """
    text = (resources.files("homoglyphs_fork") / "confusables.json").read_text(encoding="utf-8")
    # Direction marks keep a line of the file readable where its characters are written from right to left.
    alike = {key.strip("\u200e"): [one.strip("\u200e") for one in ones] for key, ones in json.loads(text).items()}
    found = {}
    for character, [first, *more] in alike.items():
        is_alone = len(alike.get(first, ())) == 1
        if len(character) == 1 and not more and (not is_alone or (-len(first), first) < (-1, character)):
            found[character] = first
    # A group that contains a small capital is named by the plain small letter.
    named = sorted(one for one in {*found, *found.values()} if "SMALL CAPITAL" in unicodedata.name(one[0], ""))
    group = {one: found.get(one, one) for one in named if _latin(one)}
    of_group = {prototype: _latin(one) for one, prototype in group.items() if not prototype.isascii()}
    return {one: of_group.get(prototype, prototype) for one, prototype in found.items()} | of_group
