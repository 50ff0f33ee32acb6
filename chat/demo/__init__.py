"""The demo upstream: a scripted stand-in for a provider. Knows nothing of Django or of the chat."""

from chat.demo.server import DemoServer, start_demo_upstream

__all__ = ["DemoServer", "start_demo_upstream"]
