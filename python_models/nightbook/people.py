"""Who is who: names that can be read, and when two of them are one person's.

Whoever made a version does not let it score. A name is what somebody typed, so two that a reader takes for one another
count as one: the doubt costs another colleague's word, the mistake would cost the second pair of eyes.
"""

import functools
import json
import re
import unicodedata
from importlib import resources

from nightbook.errors import NightbookError

# What stands where a run was given no name and has no login (macro actor), and what people write to the same end.
NOBODY = "unknown"
_NOBODIES = (NOBODY, "nobody")
# Printable to Python, and nothing is seen of them: fillers, joiners, variation selectors, a blank of Braille. The macro
# refuse_nameless_actor has the same list.
UNSEEN = (
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
# Letters to a reader that confusables.txt has no line for: small capitals, letters with a stroke or a hook, in coloured
# squares, of flags.
_LATIN = re.compile(
    r"^(?:LATIN (?:SMALL LETTER|CAPITAL LETTER|LETTER SMALL CAPITAL)|NEGATIVE \w+ LATIN CAPITAL LETTER"
    r"|REGIONAL INDICATOR SYMBOL LETTER) ([A-Z])(?: WITH .+)?$"
)


def checked(name: str, option: str, remedy: str = "write the name of the person who answers for this") -> str:
    """A name that somebody can read, without the blanks around it.

    Args:
        option: where it was given, as the user knows it.
        remedy: what to do, as the end of the sentence.

    Raises:
        NightbookError: it is empty, has neither letter nor digit, or has a character that is not seen: control, format,
            another blank than the space, unassigned, private use.
    """
    name = name.strip()
    for character in name:
        if not character.isprintable() or re.match(UNSEEN, character):
            raise NightbookError(f"{option} has a character that is not seen, U+{ord(character):04X}: {remedy}")
    if not any(character.isalnum() for character in name):
        raise NightbookError(f"{option} {'has no letter or digit' if name else 'is empty'}: {remedy}")
    return name


def same_person(one: str, other: str) -> bool:
    """Whether two names are one, or can be taken for one another.

    Case, accents, blanks, hyphens, other punctuation and the order of words do not tell people apart, nor does what
    looks alike by Unicode's confusables (UTS 39): letters of other scripts, full-width forms, ligatures; rn and m, l
    and i and 1, O and 0.
    """
    return bool(_forms(one) & _forms(other))


def is_nobody(name: str) -> bool:
    """Whether a name says that nobody is known, or says nothing."""
    return "" in _forms(name) or any(same_person(name, nobody) for nobody in _NOBODIES)


def second_of(what: str, maker: str, *, approver: str, actor: str, one_account: bool = False) -> bool:
    """See that a version gets the word of somebody other than its maker.

    Args:
        what: the version, as a message names it.
        approver, actor: who decided, and who typed it.
        one_account: whether policy lets the maker's account type what somebody else has decided.

    Returns:
        Whether it was the maker's account that typed it.

    Raises:
        NightbookError: one of the three is nobody, or the maker is one of the other two.
    """
    if is_nobody(maker):
        raise NightbookError(
            f"{what} has no known maker, so nobody is known to be another: train again with NIGHTBOOK_ACTOR set"
        )
    for name, option in ((approver, "--approver"), (actor, "NIGHTBOOK_ACTOR, or the login,")):
        if is_nobody(name):
            raise NightbookError(f"{option} is {name}, who can answer for nothing: name a person who does")
    if same_person(maker, approver):
        raise NightbookError(f"{what} was made by {maker}, who cannot approve it: ask somebody else to")
    if not same_person(maker, actor):
        return False
    if not one_account:
        raise NightbookError(
            f"{what} was made by {maker}, and {actor}, who is typing this, is the same: have {approver} type it under "
            "a NIGHTBOOK_ACTOR of their own, or let seeds/reference/policy.csv say that one account does both"
        )
    return True


def approval(approver: str | None, is_by_makers_account: bool | None) -> str:
    """Who approved a version, as readers are told."""
    return f"{approver or 'nobody'}{', typed by the account that made it' if is_by_makers_account else ''}"


@functools.lru_cache(maxsize=1024)
def _forms(name: str) -> frozenset[str]:
    """What is left of a name once everything that does not tell people apart is gone.

    A character may look like another one than it stands for, or than its small letter does (I like l, a Greek capital
    nu like N and a small one like v), so both are taken: its looks, and the looks of what it stands for.
    """
    found = set()
    # A bar looks like l, and stands between words.
    for text in {name, name.replace("|", " ")}:
        words = [word for word in re.split(r"[\W_]+", unicodedata.normalize("NFC", text)) if word]
        for meant in (lambda one: unicodedata.normalize("NFKC", one).casefold(), lambda one: _look(one).casefold()):
            found.add(_letters(_look(meant(text))))
            if len(words) > 1:
                # Who writes the family name first is nobody else.
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
    """The small letter that a character is to a reader, None for other characters and for plain letters."""
    is_plain = len(character) != 1 or character.isascii()
    letter = None if is_plain else _LATIN.search(unicodedata.name(character, ""))
    return letter and {"M": "rn"}.get(letter[1], letter[1].lower())


def _letters(text: str) -> str:
    kept = [one for one in unicodedata.normalize("NFD", text.casefold()) if _is_letter(one) or one in _symbols()]
    # Dashes have a letter for their prototype, the long vowel of Katakana.
    return re.sub(f"{UNSEEN}|\u30fc", "", "".join(kept)).replace("i", "l")


def _is_letter(character: str) -> bool:
    """Not so a modifier, which is a mark to a reader: a low line, a circumflex, an Arabic stretching."""
    return unicodedata.category(character)[0] in "LN" and unicodedata.category(character) != "Lm"


@functools.cache
def _symbols() -> frozenset[str]:
    """Symbols that are prototypes of letters, as that of a partial differential is of the Icelandic eth."""
    return frozenset(
        symbol
        for one, prototype in _prototypes().items()
        if _is_letter(one[0])
        for symbol in prototype
        if unicodedata.category(symbol)[0] == "S"
    )


@functools.cache
def _prototypes() -> dict[str, str]:
    """Character -> the one that stands for all that look like it, or several; as Unicode's confusables.txt has it.

    The library lists each pair of that file both ways. A line of it leads from a character to its prototype, which is
    the prototype of many or, alone with one, the longer or the smaller of the two.
    """
    text = (resources.files("homoglyphs_fork") / "confusables.json").read_text(encoding="utf-8")
    # Marks that keep a line of the file readable where its characters are written from right to left.
    alike = {key.strip("\u200e"): [one.strip("\u200e") for one in ones] for key, ones in json.loads(text).items()}
    found = {}
    for character, [first, *more] in alike.items():
        is_alone = len(alike.get(first, ())) == 1
        if len(character) == 1 and not more and (not is_alone or (-len(first), first) < (-1, character)):
            found[character] = first
    # The letter of a whole group is that of its small capital, where there is one.
    named = sorted(one for one in {*found, *found.values()} if "SMALL CAPITAL" in unicodedata.name(one[0], ""))
    group = {one: found.get(one, one) for one in named if _latin(one)}
    of_group = {prototype: _latin(one) for one, prototype in group.items() if not prototype.isascii()}
    return {one: of_group.get(prototype, prototype) for one, prototype in found.items()} | of_group
