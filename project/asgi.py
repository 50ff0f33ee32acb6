"""The ASGI application: Django for HTTP, Channels for WebSockets."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django_application = get_asgi_application()

from channels.routing import ProtocolTypeRouter  # noqa: E402  (needs the app registry)

from chat.websocket.routing import websocket_application  # noqa: E402
from project.callback_door import CallbackDoor  # noqa: E402
from project.machine_pages import MachinePages  # noqa: E402
from project.request_lines import RequestLines  # noqa: E402

application = ProtocolTypeRouter(
    {"http": MachinePages(RequestLines(CallbackDoor(django_application))), "websocket": websocket_application}
)
