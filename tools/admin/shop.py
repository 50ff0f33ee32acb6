"""The shop in the admin: ordinary rows that staff may change."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from tools.models import Order, OrderLine, Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("sku", "name", "category", "price", "currency", "stock")
    list_filter = ("category",)
    search_fields = ("sku", "name", "description")


class OrderLines(admin.TabularInline):  # type: ignore[type-arg]
    model = OrderLine
    extra = 0
    autocomplete_fields = ("product",)


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("number", "status", "customer", "placed_at", "amount", "currency")
    list_filter = ("status",)
    search_fields = ("number", "customer")
    date_hierarchy = "placed_at"
    inlines = (OrderLines,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        orders: QuerySet[Order] = super().get_queryset(request)
        return Order.objects.with_totals().filter(pk__in=orders.values("pk"))

    @admin.display(ordering="amount")
    def amount(self, order: Order) -> Decimal:
        amount: Decimal = order.amount  # type: ignore[attr-defined]
        return amount.quantize(Decimal("0.01"))
