"""Why something was not fetched. As tool errors, because that is what most callers make of them."""

from tools.exceptions import ToolFailed, ToolUnavailable


class AddressRefused(ToolFailed):
    """The guard does not let us go there. Nothing was connected to."""


class BadAnswer(ToolFailed):
    """Something answered that cannot be used: too much, of the wrong type, broken, redirected too often."""


class Unreachable(ToolUnavailable):
    """Nothing answered, or not in time."""
