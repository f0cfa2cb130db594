"""Addresses of consoles, presenters' papers and inspections: behind the staff door."""

from django.urls import URLPattern, path

from tables.console import views as console_views
from tables.opening import inspection_pages, rules_pages
from tables.presenters import pages as presenter_pages

app_name = "console"
urlpatterns: list[URLPattern] = [
    path("console/", console_views.tables, name="tables"),
    path("console/<slug:table_id>/", console_views.table, name="table"),
    path("console/<slug:table_id>/state", console_views.state, name="state"),
    path("console/<slug:table_id>/act", console_views.act, name="act"),
    path("console/<slug:table_id>/sign-on", console_views.sign_on, name="sign_on"),
    path("console/<slug:table_id>/sign-off", console_views.sign_off, name="sign_off"),
    path("staff/inspections/", inspection_pages.tables, name="inspections"),
    path("staff/inspections/<slug:table_id>/", inspection_pages.inspection, name="inspection"),
    path("staff/inspections/<slug:table_id>/register", inspection_pages.register, name="register"),
    path("staff/equipment/<uuid:piece_id>/retire", inspection_pages.retire, name="retire"),
    path("staff/rules/", rules_pages.rules, name="rules"),
    path("staff/rules/<slug:ruleset>/publish", rules_pages.publish, name="publish"),
    path("staff/presenters/", presenter_pages.presenters_list, name="presenters"),
    path("staff/presenters/<int:person_id>/", presenter_pages.presenter, name="presenter"),
    path("staff/presenters/<int:person_id>/authorise", presenter_pages.authorise, name="authorise"),
    path("staff/authorisations/<uuid:paper_id>/revoke", presenter_pages.revoke, name="revoke"),
    path("staff/shifts/<slug:table_id>/relieve", presenter_pages.relieve, name="relieve"),
]
