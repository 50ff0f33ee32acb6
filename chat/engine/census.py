"""How many runs are open and processes alive, over all of them. For threads."""

from django.db.models import Count

from chat.models import Node, Provider, Run
from chat.telemetry.state import Stored

MOST_PROVIDERS = 1000


def take_census(lease_seconds: float) -> Stored:
    """Three small questions; that for runs reads the index of the open ones alone."""
    open_runs = Run.objects.open().order_by().values_list("status").annotate(Count("pk"))
    nodes = Node.objects.alive(lease_seconds).order_by().values_list("kind").annotate(Count("pk"))
    providers = Provider.objects.order_by("name").values_list("pk", "name")[:MOST_PROVIDERS]
    return Stored(dict(open_runs), dict(nodes), {str(key): name for key, name in providers})
