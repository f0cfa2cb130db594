"""Addresses of the officers' pages in the admin: screening, suspicions, markers of harm."""

from django.urls import URLPattern, URLResolver, path

from backoffice import screening_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("screening/", screening_pages.overview, name="screening"),
    path("screening/lists/", screening_pages.upload, name="screening_upload"),
    path("screening/<uuid:hit_id>/", screening_pages.hit, name="screening_hit"),
    path("screening/<uuid:hit_id>/judge/", screening_pages.judge, name="screening_judge"),
    path("screening/<uuid:hit_id>/agree/", screening_pages.agree, name="screening_agree"),
    path("screening/<uuid:hit_id>/return/", screening_pages.give_back, name="screening_return"),
]
