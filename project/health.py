"""For load balancers: is the process alive, and does everything configured answer?"""

from django.conf import settings
from django.db import connection
from django.db.utils import Error
from django.http import HttpRequest, JsonResponse


def livez(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 only when everything configured answers."""
    parts = {"database": _database_answers()}
    if settings.REDIS_URL:
        parts["redis"] = _redis_answers(settings.REDIS_URL)
    ready = all(parts.values())
    return JsonResponse({"status": "ok" if ready else "unavailable", **parts}, status=200 if ready else 503)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return False
    return True


def _redis_answers(url: str) -> bool:
    # Only where it is configured: importing it takes a tenth of a second.
    from chat.resilience.backends.redis import answers

    return answers(url)
