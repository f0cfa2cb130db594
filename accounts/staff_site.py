"""The staff pages' door: nobody enters without a second factor shown in this session."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import urlencode
from unfold.sites import UnfoldAdminSite

from accounts import second_factor
from accounts.views import person


class StaffSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold ships no types
    """Unfold's admin, entered through the ordinary sign-in, second factor included."""

    def has_permission(self, request: HttpRequest) -> bool:
        is_staff: bool = super().has_permission(request)
        return is_staff and getattr(request.user, "otp_device", None) is not None

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Not a form of its own: whatever the person still lacks is where they are led."""
        if not request.user.is_authenticated:
            target = request.GET.get(REDIRECT_FIELD_NAME, request.get_full_path())
            query = urlencode({REDIRECT_FIELD_NAME: target})
            response: HttpResponse = redirect("account_login")
            response["Location"] += f"?{query}"
            return response
        user = person(request)
        if not (user.is_staff and user.is_active):
            raise PermissionDenied
        if self.has_permission(request):
            return redirect("admin:index")
        enrolled = second_factor.has_device(user)
        return redirect(f"accounts:second_factor_{'check' if enrolled else 'enrol'}")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ours, which ends the other sessions and tells the person."""
        return redirect("account_change_password")

    def password_change_done(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_change_password")

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return redirect("account_logout")
