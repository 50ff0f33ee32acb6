"""The shop of `search_database` and `query_order`: a product catalogue and its orders, with a demo inside."""

from decimal import Decimal
from functools import reduce
from operator import and_

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Case, DecimalField, F, IntegerField, Q, Sum, Value, When
from django.db.models.functions import Coalesce

ORDER_NUMBER = r"ORD-\d{8}-[A-Z0-9]{5}"
MOST_WORDS = 10


class ProductQuerySet(models.QuerySet["Product"]):
    def matching(self, query: str) -> "ProductQuerySet":
        """Products that have every word of it somewhere, those that have them in their name first."""
        words = query.split()[:MOST_WORDS]
        if not words:
            return self.none()
        everywhere = ("name", "category", "description", "sku")
        anywhere = [
            reduce(lambda a, b: a | b, (Q(**{f"{f}__icontains": w}) for f in everywhere)) for w in words
        ]
        in_name = reduce(and_, (Q(name__icontains=word) for word in words))
        rank = Case(When(in_name, then=Value(0)), default=Value(1), output_field=IntegerField())
        return self.filter(*anywhere).annotate(rank=rank).order_by("rank", "name", "sku")


class Product(models.Model):
    sku = models.CharField("SKU", max_length=32, unique=True)
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=100, db_index=True)
    description = models.TextField(blank=True)
    price = models.DecimalField(max_digits=10, decimal_places=2, validators=[MinValueValidator(Decimal(0))])
    currency = models.CharField(max_length=3, default="EUR")
    stock = models.PositiveIntegerField(default=0)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ("name", "sku")

    def __str__(self) -> str:
        return f"{self.name} ({self.sku})"


class OrderQuerySet(models.QuerySet["Order"]):
    def with_totals(self) -> "OrderQuerySet":
        """Each with `amount`, what its lines come to."""
        lines = Sum(F("lines__quantity") * F("lines__unit_price"), output_field=DecimalField())
        return self.annotate(amount=Coalesce(lines, Value(Decimal(0)), output_field=DecimalField()))


class Order(models.Model):
    number = models.CharField(
        max_length=18,
        unique=True,
        validators=[RegexValidator(rf"^{ORDER_NUMBER}\Z")],
        help_text="ORD-YYYYMMDD-XXXXX",
    )
    status = models.CharField(
        max_length=32, default="received", help_text="received, packed, shipped, delivered …"
    )
    customer = models.CharField(max_length=200, blank=True, help_text="Never told to a model.")
    placed_at = models.DateTimeField()
    shipped_at = models.DateTimeField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="EUR")

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ("-placed_at", "number")

    def __str__(self) -> str:
        return self.number


class OrderLine(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="order_lines")
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    unit_price = models.DecimalField(max_digits=10, decimal_places=2, help_text="At the time of the order.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["order", "product"], name="one_line_a_product"),)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"
