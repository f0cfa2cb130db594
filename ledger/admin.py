"""The books in the staff pages: searched and read, never changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin

from audit.list_filters import as_day, one_of
from kernel.money import SCALES, Money
from ledger.models import Account, Batch, EntryLine, TransferRow
from ledger.postings import POST_CODES, AccountKind, TransferKind

#: Lines of an account that a search goes back.
LINES_MAX = 500


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic over a row it never names
    """Counts at most this many rows: the tables are too long to be counted for a page."""

    COUNT_MAX = 5_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[: self.COUNT_MAX].count())


class Book(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Read-only for everybody, superusers included: the database refuses it as well."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Account)
class AccountAdmin(Book):
    export_name = "accounts"
    list_display = ("id", "kind", "owner_ref", "posted_money", "held_money", "seq", "closed_at")
    list_filter = (
        one_of("kind", [(kind.value, kind.value) for kind in AccountKind]),
        one_of("currency", [(code, code) for code in sorted(SCALES)]),
    )
    search_fields = ("=id", "^owner_ref")
    search_help_text = "Account number, or owner such as player:17, round:…, table:…"
    fields = (
        "id", "kind", "owner_ref", "currency", "posted_money", "held_money", "floor", "seq",
        "opened_at", "closed_at",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="posted", ordering="posted")
    def posted_money(self, account: Account) -> str:
        return str(Money(account.posted, account.currency))

    @admin.display(description="held", ordering="held")
    def held_money(self, account: Account) -> str:
        return str(Money(account.held, account.currency))


@admin.register(Batch)
class BatchAdmin(Book):
    export_name = "batches"
    list_display = ("id", "key", "kind", "actor", "n", "posted_at")
    search_fields = ("=id", "=key")
    search_help_text = "Batch number or its whole key"
    fields = ("id", "key", "kind", "actor", "n", "refused", "fingerprint_hex", "posted_at")
    readonly_fields = fields

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Batch], search_term: str
    ) -> tuple[QuerySet[Batch], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isdecimal():
            return queryset.filter(id=int(term)), False
        return queryset.filter(key=term), False

    @admin.display(description="refused items")
    def refused(self, batch: Batch) -> str:
        numbers = [number for number in batch.codes or () if number]
        names = sorted({POST_CODES[number].value for number in numbers})
        return f"{len(numbers)}: {', '.join(names)}" if numbers else "none"

    @admin.display(description="fingerprint")
    def fingerprint_hex(self, batch: Batch) -> str:
        return bytes(batch.fingerprint).hex()


@admin.register(TransferRow)
class TransferAdmin(Book):
    export_name = "transfers"
    list_display = ("id", "posted_at", "kind", "money", "debit", "credit", "ref", "batch")
    list_filter = (one_of("kind", [(kind.value, kind.value) for kind in TransferKind]),)
    search_fields = ("=id",)
    search_help_text = (
        "Transfer id, batch number, account:12, player:17 (the newest 500), or a day (2026-11-26)"
    )
    fields = (
        "id", "kind", "money", "debit", "credit", "ref", "permit", "batch", "item", "posted_at",
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransferRow]:
        currency = Account.objects.filter(id=OuterRef("debit")).values("currency")
        rows: QuerySet[TransferRow] = super().get_queryset(request)
        return rows.annotate(currency=Subquery(currency))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[TransferRow], search_term: str
    ) -> tuple[QuerySet[TransferRow], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isdecimal():
            return queryset.filter(batch=int(term)), False
        day = as_day(term)
        if day is not None:
            return queryset.filter(posted_at__gte=day[0], posted_at__lt=day[1]), False
        if term.startswith("account:") and term[8:].isdecimal():
            return _of_accounts(queryset, [int(term[8:])]), False
        if term.startswith("player:") and term[7:].isdecimal():
            owned = Account.objects.filter(owner_ref=term).values_list("id", flat=True)
            return _of_accounts(queryset, list(owned)), False
        return _transfer(queryset, term), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> TransferRow | None:
        return _transfer(self.get_queryset(request), object_id).first()

    @admin.display(description="amount", ordering="amount")
    def money(self, transfer: Any) -> str:
        return str(Money(transfer.amount, transfer.currency))


@admin.register(EntryLine)
class EntryAdmin(Book):
    export_name = "entries"
    list_display = ("id", "posted_at", "signed_money", "after_money", "transfer")
    search_fields = ("=id",)
    search_help_text = "Account number, line as account:seq, or transfer id. Empty without a search"
    fields = ("id", "account", "seq", "signed_money", "after_money", "transfer", "posted_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[EntryLine]:
        currency = Account.objects.filter(id=OuterRef("account")).values("currency")
        rows: QuerySet[EntryLine] = super().get_queryset(request)
        return rows.annotate(currency=Subquery(currency))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[EntryLine], search_term: str
    ) -> tuple[QuerySet[EntryLine], bool]:
        term = search_term.strip()
        if not term:
            return queryset.none(), False
        if term.isdecimal():
            return queryset.filter(account=int(term)), False
        if ":" in term:
            return _line(queryset, term), False
        transfer = _transfer(TransferRow.objects.all(), term).first()
        if transfer is None:
            return queryset.none(), False
        return queryset.filter(
            account__in=[transfer.debit, transfer.credit],
            transfer=transfer.id,
            posted_at=transfer.posted_at,
        ), False

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> EntryLine | None:
        return _line(self.get_queryset(request), object_id).first()

    @admin.display(description="amount", ordering="amount")
    def signed_money(self, line: Any) -> str:
        return str(Money(line.amount, line.currency))

    @admin.display(description="balance after", ordering="balance_after")
    def after_money(self, line: Any) -> str:
        return str(Money(line.balance_after, line.currency))


def _transfer(rows: QuerySet[TransferRow], text: str) -> QuerySet[TransferRow]:
    """The transfer of this id by way of ``ledger_transfer_id``: the table has no index on ids."""
    try:
        wanted = UUID(text)
    except ValueError:
        return rows.none()
    with connection.cursor() as cursor:
        cursor.execute("SELECT batch, item FROM ledger_transfer_id WHERE id = %s", [wanted])
        found = cursor.fetchone()
    return rows.none() if found is None else rows.filter(batch=found[0], item=found[1])


def _of_accounts(rows: QuerySet[TransferRow], accounts: list[int]) -> QuerySet[TransferRow]:
    """The newest transfers of these accounts, by way of their entries: those have the index."""
    lines = EntryLine.objects.filter(account__in=accounts).order_by("-posted_at", "-seq")
    found = list(lines.values_list("transfer", "posted_at")[:LINES_MAX])
    return rows.filter(
        id__in=[transfer for transfer, _ in found], posted_at__in=[at for _, at in found]
    )


def _line(rows: QuerySet[EntryLine], text: str) -> QuerySet[EntryLine]:
    account, _, seq = text.partition(":")
    if not (account.isdecimal() and seq.isdecimal()):
        return rows.none()
    return rows.filter(account=int(account), seq=int(seq))
