"""Which consumer answers which path, and what stands in front of it."""

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.urls import path, re_path

from chat.websocket.auth import OwnOriginOnly
from chat.websocket.consumers import ChatConsumer

websocket_application = OwnOriginOnly(
    URLRouter(
        [
            path("ws/chat/", ChatConsumer.as_asgi()),
            # Without it the router raises, which is a 500 and a traceback for a wrong address.
            re_path("", WebsocketDenier.as_asgi()),
        ]
    )
)
