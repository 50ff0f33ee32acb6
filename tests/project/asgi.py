"""Requests to an ASGI application as a server would hand them over, without one."""

from typing import Any

import httpx

LOCAL = ("127.0.0.1", 40000)


async def get(
    application: Any,
    path: str,
    *,
    client: tuple[str, int] | None = LOCAL,
    host: str = "localhost",
    method: str = "GET",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    transport = httpx.ASGITransport(application, client=client)  # type: ignore[arg-type]  # None: a Unix socket
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as asking:
        return await asking.request(method, path, headers=headers)
