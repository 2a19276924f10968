"""What a user can mend. The command line prints these as one line and exits with status 2; anything else is a bug."""


class InputError(ValueError):
    """An input is wrong: the message names the file, what is wrong and what to do, in one line."""
