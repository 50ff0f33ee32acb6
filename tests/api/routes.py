"""Every route of the REST API, as it is registered."""

from collections.abc import Callable
from typing import Any, NamedTuple

from chat.api.root import api


class Route(NamedTuple):
    method: str
    path: str
    """Below `/api/v1`, as the router has it."""
    auth: list[Callable[..., Any]]


def routes() -> list[Route]:
    return [
        Route(method, f"{router.prefix.rstrip('/')}{path}", list(operation.auth_callbacks))
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    ]
