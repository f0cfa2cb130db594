"""People in the staff pages: to look up. Acts on them have pages of their own, with reasons."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from accounts.models import Player, User


class LookUp(ModelAdmin):  # type: ignore[misc]  # unfold ships no types
    """Read-only: nothing about people is edited field by field."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(LookUp):
    list_display = ["email", "name", "is_staff", "is_active", "created_at"]
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["email", "name"]
    exclude = ["password"]


@admin.register(Player)
class PlayerAdmin(LookUp):
    list_display = ["user", "country", "currency", "is_test", "created_at"]
    list_filter = ["country", "currency", "is_test"]
    search_fields = ["user__email"]
    list_select_related = ["user"]
