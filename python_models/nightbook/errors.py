"""The exception for errors that a user can fix."""


class NightbookError(Exception):
    """An error that the user can fix.

    The message is one line that says what is wrong, where, and what to do. The runner prints it on stderr without a
    traceback and exits with status 1.
    """
