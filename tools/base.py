"""A tool: a typed function with what a model must know to call it, and what a site must know to run it."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct

from tools.context import Caller
from tools.docstrings import read_docstring
from tools.exceptions import ToolDefinitionError
from tools.schema import read_signature

Allowed = Callable[[Caller], bool]

DEFAULT_QUEUE: Final = "tools"
MODEL_RESULT_BYTES: Final = 65_536
IDEMPOTENT_RETRIES: Final = 2
MOST_RETRIES: Final = 2
"""Three attempts: whoever breaks its worker twice will do so again."""
DESCRIPTION_CHARACTERS: Final = 1024
"""What every provider takes."""
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


def everybody(_caller: Caller) -> bool:
    return True


def staff_only(caller: Caller) -> bool:
    return caller.is_staff


@dataclass(frozen=True, eq=False)
class Tool:
    """Made by `tool`. Calling it calls the function."""

    name: str
    description: str
    function: Callable[..., Any]
    parameters: dict[str, Any]
    """The arguments as a JSON schema of type object."""
    arguments: type[Struct]
    """The same as a type, a field for each parameter."""
    context_parameter: str = ""
    """The parameter that takes the `ToolContext`, if there is one."""
    timeout_seconds: float = 30.0
    retries: int = 0
    needs_approval: bool = False
    idempotent: bool = False
    queue: str = DEFAULT_QUEUE
    max_result_bytes: int = MODEL_RESULT_BYTES
    allowed: Allowed = everybody
    place: str = ""
    """Where it is declared, for people."""

    def __post_init__(self) -> None:
        check_limits(self.timeout_seconds, self.retries, self.max_result_bytes)
        if self.retries and not self.idempotent:
            raise ToolDefinitionError(f"{self.name}: only a tool that is idempotent may be tried again.")

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def check_limits(timeout_seconds: float, retries: int, max_result_bytes: int) -> None:
    if not 0 < timeout_seconds <= 86_400:
        raise ToolDefinitionError(
            f"A tool has more than 0 seconds and at most a day, not {timeout_seconds:g}."
        )
    if not 0 <= retries <= MOST_RETRIES:
        raise ToolDefinitionError(f"A tool is tried again at most {MOST_RETRIES} times, not {retries}.")
    if max_result_bytes < 256:
        raise ToolDefinitionError(f"A result needs 256 bytes at least, not {max_result_bytes}.")


def tool(
    *,
    name: str = "",
    description: str = "",
    timeout_seconds: float = 30.0,
    retries: int | None = None,
    needs_approval: bool = False,
    idempotent: bool = False,
    queue: str = DEFAULT_QUEUE,
    max_result_bytes: int = MODEL_RESULT_BYTES,
    allowed: Allowed = everybody,
) -> Callable[[Callable[..., Any]], Tool]:
    """Makes a `Tool` of a typed function, `def` or `async def`.

    The name is the function's, the description what its docstring says before `Args:`, each parameter's description
    what stands there or in its `Meta`.

    Args:
        timeout_seconds: after which it is asked to stop (a soft limit).
        retries: after its worker died or it was unavailable; 2 for tools that are idempotent, else 0.
        needs_approval: a person must agree to each call.
        idempotent: running it twice with the same arguments does no more than running it once.
        queue: of the workers that run it.
        max_result_bytes: what the model is given of a result; all of it is kept.
        allowed: who may use it.

    Raises:
        ToolDefinitionError: the function cannot be a tool as it is written; the text says why.
    """

    def make(function: Callable[..., Any]) -> Tool:
        place = f"{function.__module__}.{function.__qualname__}"
        called = name or function.__name__
        told = read_docstring(function.__doc__ or "")
        try:
            _check_name(called)
            signature = read_signature(called, function, told.parameters)
            words = description or told.description
            _check_description(words)
            return Tool(
                name=called,
                description=words,
                function=function,
                parameters=signature.parameters,
                arguments=signature.arguments,
                context_parameter=signature.context_parameter,
                timeout_seconds=timeout_seconds,
                retries=(IDEMPOTENT_RETRIES if idempotent else 0) if retries is None else retries,
                needs_approval=needs_approval,
                idempotent=idempotent,
                queue=queue,
                max_result_bytes=max_result_bytes,
                allowed=allowed,
                place=place,
            )
        except ToolDefinitionError as error:
            raise ToolDefinitionError(f"The tool {called} ({place}) cannot be used: {error}") from error

    return make


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ToolDefinitionError("a name is a small letter, then small letters, digits and _, 64 at most.")


def _check_description(words: str) -> None:
    if not words:
        raise ToolDefinitionError("it has no docstring, so no model can know what it does.")
    if len(words) > DESCRIPTION_CHARACTERS:
        raise ToolDefinitionError(f"its description is longer than {DESCRIPTION_CHARACTERS} characters.")
