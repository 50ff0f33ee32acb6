from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from tools import demo_shop
from tools.models import Order, OrderLine, Product


class Command(BaseCommand):
    help = "Brings the products and orders of the demo shop back, or takes them away."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help="take them away")

    def handle(self, *_: Any, remove: bool, **__: Any) -> None:
        if remove:
            self.stdout.write(f"{demo_shop.remove(Product, Order)} rows of the demo shop were removed.")
        else:
            self.stdout.write(
                f"{demo_shop.load(Product, Order, OrderLine)} rows of the demo shop were added."
            )
