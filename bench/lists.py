"""How long the admin's lists take on the rows of `bench.rows`: each list, and the slowest of each kind of page.

    python -m bench.lists [--only run,modelcall] [--rounds 5] [--out FILE] [--slow 300] [--plans]

On the database of DATABASE_URL or DATA_DIR. Asked in this process, as somebody who may see everything: the time is that
of the server, from the request to the last byte of the page. `--plans` prints how the database went about the pages
that took longer than `--slow` milliseconds.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import django

KINDS = ("first page", "filtered", "searched", "by date", "deep")


class Lists:
    def __init__(self, rounds: int, slow: float, plans: bool) -> None:
        from django.test import Client

        from chat.models import User

        self.rounds, self.slow, self.plans = rounds, slow, plans
        self.staff, _ = User.objects.get_or_create(
            username="bench-staff", defaults={"is_staff": True, "is_superuser": True}
        )
        self.client = Client(SERVER_NAME="localhost")
        self.client.force_login(self.staff, backend="django.contrib.auth.backends.ModelBackend")

    def measure(self, model: Any, model_admin: Any) -> dict[str, tuple[float, str]]:
        """By kind: milliseconds of the slowest page of it, and its query."""
        slowest: dict[str, tuple[float, str]] = {}
        for kind, query in self.pages(model, model_admin):
            took = self.time(model, query)
            if took > slowest.get(kind, (-1.0, ""))[0]:
                slowest[kind] = (took, query)
        return slowest

    def pages(self, model: Any, model_admin: Any) -> Iterator[tuple[str, str]]:
        from django.test import RequestFactory

        yield "first page", ""
        request = RequestFactory().get(address(model))
        request.user = self.staff
        change_list = model_admin.get_changelist_instance(request)
        for spec in change_list.filter_specs:
            for choice in spec.choices(change_list):
                if not choice["selected"]:
                    yield "filtered", choice["query_string"]
        if model_admin.search_fields:
            yield from (("searched", f"?q={word}") for word in self.words(model))
        if change_list.date_hierarchy:
            yield from (("by date", query) for query in dates(change_list))
        yield "deep", f"?p={min(1000, change_list.paginator.num_pages)}"

    def words(self, model: Any) -> Iterator[str]:
        from chat.models import Conversation, Run

        yield from ("person0000", "person0199", "person", "nobody-of-this-name")
        yield "00000000-0000-7000-8000-000000000000"
        for one in (model, Run, Conversation):
            row = one.objects.order_by("pk").first()
            if row is not None:
                yield str(row.pk)

    def time(self, model: Any, query: str) -> float:
        took = []
        for _ in range(self.rounds):
            began = time.perf_counter()
            answer = self.client.get(address(model) + query)
            took.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 200:
                print(f"{address(model)}{query}: {answer.status_code}", file=sys.stderr)
                return float("nan")
            if took[0] > 5000:
                break
        middle = median(took)
        if middle > self.slow:
            print(f"{middle:.0f} ms: {address(model)}{query}", file=sys.stderr, flush=True)
            if self.plans:
                self.explain(model, query)
        return middle

    def explain(self, model: Any, query: str) -> None:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as asked:
            self.client.get(address(model) + query)
        for one in asked.captured_queries:
            if float(one["time"]) * 1000 < self.slow / 5:
                continue
            print(f"  {float(one['time']) * 1000:.0f} ms: {one['sql'][:1500]}", file=sys.stderr)
            if not one["sql"].startswith(("SELECT", "WITH")):
                continue
            with connection.cursor() as cursor:
                cursor.execute(
                    ("EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN ")
                    + one["sql"].replace("%", "%%")
                )
                for line in cursor.fetchall():
                    print(f"    {line[-1]}", file=sys.stderr)


def dates(change_list: Any) -> Iterator[str]:
    """All years, then each first choice down to a day in the middle of them."""
    field = change_list.date_hierarchy
    first, last = (
        change_list.root_queryset.order_by(f"{sign}{field}").values_list(field, flat=True).first()
        for sign in ("", "-")
    )
    if first is None or last is None:
        return
    middle = first + (last - first) / 2
    for moment in (first, middle, last):
        year, month, day = (f"{field}__{name}={getattr(moment, name)}" for name in ("year", "month", "day"))
        yield from (f"?{year}", f"?{year}&{month}", f"?{year}&{month}&{day}")


def address(model: Any) -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/"


def table(found: dict[str, tuple[int, dict[str, tuple[float, str]]]]) -> str:
    from bench.report import row

    lines = [row("list", "rows", *KINDS, "slowest"), row("---", "---:", *["---:"] * len(KINDS), "---")]
    for name, (count, kinds) in found.items():
        cells = [f"{kinds[kind][0]:.0f}" if kind in kinds else "" for kind in KINDS]
        slowest = max(kinds.values())
        lines.append(row(name, f"{count:,}", *cells, f"`{slowest[1] or 'first page'}`"))
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow", type=float, default=300)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    os.environ.setdefault("ACCESS_LOG", "no")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    django.setup()
    from django.contrib import admin
    from django.core.management import call_command
    from django.db import connection

    from bench.report import machine

    call_command("collectstatic", interactive=False, verbosity=0)
    lists = Lists(options.rounds, options.slow, options.plans)
    found = {}
    for model, model_admin in admin.site._registry.items():
        name = model._meta.model_name
        if options.only and name not in options.only.split(","):
            continue
        found[str(model._meta.verbose_name_plural)] = (
            model._default_manager.count(),
            lists.measure(model, model_admin),
        )
    page = f"## {connection.vendor}\n\n{table(found)}"
    print(page)
    if options.out:
        with options.out.open("a") as out:
            out.write(f"{machine()}\n{page}\n")


if __name__ == "__main__":
    main()
