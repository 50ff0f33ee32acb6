"""Why a stack cannot be started, in one line for whoever typed the command."""


class Refused(Exception):
    """The text is that line."""
