"""Which consumer answers which path, and what stands in front of it."""

from channels.routing import URLRouter
from django.urls import path

from chat.websocket.auth import OwnOriginOnly
from chat.websocket.consumers import ChatConsumer

websocket_application = OwnOriginOnly(URLRouter([path("ws/chat/", ChatConsumer.as_asgi())]))
