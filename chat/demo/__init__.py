"""The demo upstream: a scripted stand-in for a provider. Knows nothing of Django or of the chat."""

from chat.demo.player import Waits
from chat.demo.server import DemoServer, start_demo_upstream

__all__ = ["DemoServer", "Waits", "start_demo_upstream"]
