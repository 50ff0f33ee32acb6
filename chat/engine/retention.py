"""What is dropped when its time has come. In small steps, so that nobody waits for the database because of it."""

from datetime import datetime, timedelta
from typing import Final

from axes.models import AccessLog
from django.contrib.sessions.models import Session
from django.db.models import Sum

from chat.models import Node, SetupLink, WireRecord

REMEMBER_NODES: Final = timedelta(days=1)
REMEMBER_SIGN_INS: Final = timedelta(days=90)
STEP: Final = 100
"""Wire records that one statement deletes; some may have megabytes."""


def prune(now: datetime, *, wire_log_days: int, wire_log_bytes: int) -> dict[str, int]:
    """Drops expired sessions, dead nodes, used set-up links, sign-ins of three months ago, old wire records.

    Returns how many of each, by name.
    """
    sessions, _ = Session.objects.filter(expire_date__lt=now).delete()
    nodes, _ = Node.objects.filter(heartbeat_at__lt=now - REMEMBER_NODES, runs=None).delete()
    sign_ins, _ = AccessLog.objects.filter(attempt_time__lt=now - REMEMBER_SIGN_INS).delete()
    links, _ = SetupLink.objects.filter(used_at__lt=now - REMEMBER_NODES).delete()
    return {
        "sessions": sessions,
        "nodes": nodes,
        "sign_ins": sign_ins,
        "links": links,
        "wire_records": prune_wire_log(now - timedelta(days=wire_log_days), most_bytes=wire_log_bytes),
    }


def prune_wire_log(before: datetime, *, most_bytes: int) -> int:
    """Drops records that ended before then, and the oldest of the others until they take no more than `most_bytes`."""
    dropped = 0
    taken: int = WireRecord.objects.aggregate(total=Sum("size"))["total"] or 0
    while oldest := list(
        WireRecord.objects.order_by("created_at").values_list("pk", "created_at", "size")[:STEP]
    ):
        going = []
        for key, ended_at, size in oldest:
            if ended_at >= before and taken <= most_bytes:
                break
            going.append(key)
            taken -= size
        if not going:
            break
        WireRecord.objects.filter(pk__in=going).delete()
        dropped += len(going)
    return dropped
