"""Every address as the staff door knows it: the account pages lie under `/staff/`.

`accounts.doors` puts this in place of `casino.urls` for staff paths, so that a name such as
`account_login` leads to the staff's own page. The players' addresses are here for their names only:
no path of theirs comes through this door.
"""

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path

from casino.urls import apps, handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]


def no_sign_up(_request: HttpRequest) -> HttpResponse:
    """Nobody becomes staff by a form of their own."""
    raise Http404


urlpatterns: list[URLPattern | URLResolver] = [
    path("staff/account/signup/", no_sign_up),
    path("staff/", include("accounts.urls")),
    path("staff/account/", include("allauth.urls")),
    path("account/signup/", no_sign_up, name="account_signup"),  # the last of a name is its link
    *apps,
]
