"""The one exception that a user may see."""


class NightbookError(Exception):
    """Something the user can put right.

    The message is one line that says what is wrong, where, and what to do. The runner prints it on stderr and
    exits with status 1; no traceback is shown.
    """
