"""Configuration. Tasks that are sent from anywhere need the Celery application, so it comes with the package."""

from project.celery import app as celery_app

__all__ = ["celery_app"]
