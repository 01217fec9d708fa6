"""Messages of an engine, dbt or Snowflake's connector in one line; for refusals, also what to do."""

import os
import re
from collections.abc import Callable

from nightbook.engine import home

_NO_RIGHT = "the role may not do this to"
# Searched in this order: a pattern in a message, and the sentence that replaces it. {1} is what the pattern found; the
# name of an environment variable stands for its value.
_SENTENCES: tuple[tuple[str, str], ...] = (
    (
        r"Env var required but not provided: '(SNOWFLAKE_\w+)'",
        "{1} is not set: Snowflake is reached with SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER and"
        " SNOWFLAKE_PRIVATE_KEY_PATH, or with SNOWFLAKE_ACCOUNT, SNOWFLAKE_AUTHENTICATOR=oauth and"
        " SNOWFLAKE_TOKEN",
    ),
    (
        r"No such file or directory: '{SNOWFLAKE_PRIVATE_KEY_PATH}'",
        "SNOWFLAKE_PRIVATE_KEY_PATH is {SNOWFLAKE_PRIVATE_KEY_PATH}, and that file does not exist: mount the private"
        " key, or set the variable to its path",
    ),
    (
        r"Unable to load PEM file|Could not deserialize key data|MalformedFraming",
        "SNOWFLAKE_PRIVATE_KEY_PATH is {SNOWFLAKE_PRIVATE_KEY_PATH}, which is not a private key in PEM (PKCS#8)",
    ),
    (
        r"Password was not given but private key is encrypted",
        "the private key {SNOWFLAKE_PRIVATE_KEY_PATH} is encrypted: set SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
    ),
    (
        r"Incorrect password, could not decrypt key",
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE does not open the private key {SNOWFLAKE_PRIVATE_KEY_PATH}",
    ),
    (
        r"290404 \(|Verify the account name is correct",
        "no Snowflake account has the name SNOWFLAKE_ACCOUNT={SNOWFLAKE_ACCOUNT}: write it as ORGANIZATION-"
        "ACCOUNT, the first part of its address",
    ),
    (
        r"Could not connect to Snowflake backend",
        "Snowflake cannot be reached for SNOWFLAKE_ACCOUNT={SNOWFLAKE_ACCOUNT}: check the account's name"
        " and whether this network lets the connection out",
    ),
    (
        r"390144 \(|JWT token is invalid",
        "Snowflake account {SNOWFLAKE_ACCOUNT} does not know the key {SNOWFLAKE_PRIVATE_KEY_PATH} of user"
        " {SNOWFLAKE_USER}: set the user's public key (alter user ... set rsa_public_key), or use another"
        " user or key",
    ),
    (
        r"OAuth access token expired|Invalid OAuth access token",
        "Snowflake account {SNOWFLAKE_ACCOUNT} does not accept SNOWFLAKE_TOKEN, or it has expired: get a new token",
    ),
    (
        r"390100 \(|Incorrect username or password",
        "Snowflake account {SNOWFLAKE_ACCOUNT} rejects user {SNOWFLAKE_USER}: check SNOWFLAKE_USER and its credential",
    ),
    (
        r"Role '([^']+)' specified in the connect string does not exist or not authorized",
        "role {1} does not exist, or user {SNOWFLAKE_USER} does not have it: grant it, or set SNOWFLAKE_ROLE;"
        " dbt run-operation bootstrap_snowflake creates the project's roles",
    ),
    (
        r"390422 \(|IP(?:/Token)? \S+ is not allowed to access Snowflake",
        "the network policy of Snowflake account {SNOWFLAKE_ACCOUNT} blocks this machine: have its address allowed",
    ),
    (
        r"Warehouse '([^']+)' cannot be resumed because resource monitor '([^']+)' has exceeded its quota",
        "warehouse {1} is suspended: its resource monitor {2} has used up its credits. Raise the quota (alter"
        " resource monitor {2} set credit_quota = N), or wait until the monitor resets",
    ),
    (
        r"000606 \(|No active warehouse selected",
        "no warehouse to run on: set SNOWFLAKE_WAREHOUSE to one that the role may use; dbt run-"
        "operation bootstrap_snowflake creates the project's",
    ),
    (
        r"(?:Remote file|the file) '?(@?[^'\s,]+)'?,? (?:was not found|named in IMPORTS, is not on the stage)",
        "{1} is not on its stage, and Python models import it: stage it with python orchestrate.py stage",
    ),
    (
        r"package '([^']+)' is not pinned",
        "package {1} is not pinned: write NAME==VERSION in the packages of the model's configuration",
    ),
    (
        r"Packages not found: -? ?([^\s'\"(]+)",
        "Snowflake has no package {1}: in the packages of the model's configuration, pin a version that its"
        " repository has",
    ),
    (
        r"Insufficient privileges to operate on (\w+ '[^']+')",
        _NO_RIGHT + " {1}: set SNOWFLAKE_ROLE to a role that may; dbt run-operation"
        " bootstrap_snowflake grants the project's roles their rights",
    ),
    (
        r"This session does not have a current database|Database '([^']+)' does not exist or not authorized",
        "the database does not exist, or the role may not see it: create it with dbt run-operation"
        " bootstrap_snowflake, or set SNOWFLAKE_DATABASE",
    ),
)
# The line of a traceback that names the exception. The last one is what ended the model.
_EXCEPTION = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception|Exit|Interrupt)(?:: .*)?)$", re.MULTILINE)
# An error that a macro raised on purpose. The sentence is between dbt's heading and the place of the call.
_RAISED = re.compile(r"Compilation Error.*?\n(.+?)(?:\n\s*>|\Z)", re.DOTALL)
_LOCKED = re.compile(r"Could not set lock on file.*?PID (\d+)|is in use by process (\d+)", re.DOTALL)
# What Snowflake puts before a message: an error number, an SQL state and often the query's id. For a block it adds the
# position of the statement.
_CODES = re.compile(
    r"^\s*\d{6} \(\w{5}\):\s*(?:[0-9a-f-]{36}:\s*)?"
    r"(?:Uncaught exception of type '\w+' on line \d+ at position \d+ :\s*)?",
    re.MULTILINE,
)
_FULL = "No space left on device"


def one_line(message: str) -> str:
    """An engine's message as one line. If the warehouse is locked, the line names the process that holds it."""
    if sentence := refused(message):
        return sentence
    message = _CODES.sub("", message)
    locked = _LOCKED.search(message)
    if locked:
        return f"{home.warehouse()} is in use by process {locked[1] or locked[2]}: wait for it to end, or stop it"
    on_purpose = _RAISED.search(message)
    if on_purpose:
        return " ".join(on_purpose[1].split())
    if _FULL in message:
        return f"{home.home()}: {_FULL}: free some space, then run this command again"
    raised = _EXCEPTION.findall(message.partition("Traceback (most recent call last)")[2])
    if raised:
        return f"{raised[-1]} (see the log)"
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    # dbt puts this heading above the plugin's message.
    if len(lines) > 1 and lines[0] == "Database Error":
        del lines[0]
    return " ".join(lines[:3]) if lines else "failed without a message; see the log"


def is_raised(message: str) -> bool:
    """Whether a macro raised it on purpose."""
    return _RAISED.search(message) is not None


def refused(message: str) -> str | None:
    """A refusal as one line. None if the message is about something else."""
    for pattern, sentence in _SENTENCES:
        if found := re.search(_filled(pattern, re.escape), message, re.IGNORECASE):
            return _filled(_numbered(sentence, found), str)
    return None


def _numbered(sentence: str, found: re.Match[str]) -> str:
    """Replace numbers in braces by what a pattern found."""
    return re.sub(r"\{(\d)\}", lambda one: found[int(one[1])] or "", sentence)


def _filled(text: str, written: Callable[[str], str]) -> str:
    """Replace environment variables in braces by their values."""
    return re.sub(r"\{(SNOWFLAKE_\w+)\}", lambda one: written(os.environ.get(one[1], "(not set)")), text)
