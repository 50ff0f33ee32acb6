"""What a model may call. This package knows nothing of the chat (docs/tools.md)."""
