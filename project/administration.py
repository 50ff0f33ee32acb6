"""Django's admin with our site in place of its own."""

from django.contrib.admin.apps import AdminConfig


class Administration(AdminConfig):
    default_site = "project.office.Office"
