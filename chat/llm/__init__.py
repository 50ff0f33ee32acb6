"""One model call: what is sent, what comes back. No Django, Channels or Celery in here."""
