"""Who runs the tasks: `celery worker` processes, or threads of the web process."""
