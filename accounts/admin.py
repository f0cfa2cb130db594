"""People in the staff pages: to look up. Acts on them have pages of their own, with reasons."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
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

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Names and addresses of everybody, staff included."""
        return bool(request.user.has_perm("accounts.see_identity"))


@admin.register(Player)
class PlayerAdmin(LookUp):
    list_display = ["user", "country", "currency", "is_test", "created_at"]
    list_filter = ["country", "currency", "is_test"]
    search_fields = ["user__email"]
    list_select_related = ["user"]

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Names and addresses: only for those who see identities; others search by number."""
        return bool(request.user.has_perm("accounts.see_identity"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """To the player's one page, whose opening is recorded."""
        if not (self.has_view_permission(request) and object_id.isdecimal()):
            raise PermissionDenied
        return redirect("desk:player", int(object_id))
