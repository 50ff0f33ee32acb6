#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, ProgrammingError

    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, ProgrammingError) as error:
        if not any(words in str(error) for words in ("no such table", "does not exist")):
            raise
        sys.exit(
            "The database has not got its tables yet, or this is not the DATA_DIR or DATABASE_URL of your site: "
            f"start it once, or run `manage.py migrate`. ({str(error).splitlines()[0]})"
        )


if __name__ == "__main__":
    main()
