"""Addresses of the officers' pages: from screening to data requests and deposits to review."""

from django.urls import URLPattern, URLResolver, path

from backoffice.officers import (
    exclusion_pages,
    harm_pages,
    request_pages,
    rule_pages,
    screening_pages,
    suspicion_pages,
)
from backoffice.payment_desk import payment_reviews

urlpatterns: list[URLPattern | URLResolver] = [
    path("screening/", screening_pages.overview, name="screening"),
    path("screening/lists/", screening_pages.upload, name="screening_upload"),
    path("screening/<uuid:hit_id>/", screening_pages.hit, name="screening_hit"),
    path("screening/<uuid:hit_id>/judge/", screening_pages.judge, name="screening_judge"),
    path("screening/<uuid:hit_id>/agree/", screening_pages.agree, name="screening_agree"),
    path("screening/<uuid:hit_id>/return/", screening_pages.give_back, name="screening_return"),
    path("exclusions/", exclusion_pages.overview, name="exclusions"),
    path("exclusions/begin/", exclusion_pages.exclude, name="exclusion_begin"),
    path("exclusions/<uuid:likeness_id>/decide/", exclusion_pages.decide, name="exclusion_decide"),
    path(
        "exclusions/<uuid:likeness_id>/lift/<slug:act>/",
        exclusion_pages.lift,
        name="exclusion_lift",
    ),
    path("data/", request_pages.queue, name="data_requests"),
    path("retention/", request_pages.retention, name="retention"),
    path("data/<slug:reference>/", request_pages.request_page, name="data_request"),
    path("data/<slug:reference>/<slug:name>/", request_pages.act, name="data_request_act"),
    path("suspicions/", suspicion_pages.queue, name="suspicions"),
    path("suspicions/new/", suspicion_pages.new, name="suspicion_new"),
    path("suspicions/<slug:reference>/", suspicion_pages.case, name="suspicion"),
    path("suspicions/<slug:reference>/report/", suspicion_pages.report, name="suspicion_report"),
    path("suspicions/<slug:reference>/<slug:name>/", suspicion_pages.act, name="suspicion_act"),
    path("harm/", harm_pages.queue, name="harm_cases"),
    path("harm/new/", harm_pages.new, name="harm_new"),
    path("harm/<slug:reference>/", harm_pages.case, name="harm_case"),
    path("harm/<slug:reference>/<slug:name>/", harm_pages.act, name="harm_act"),
    path("reviews/", payment_reviews.overview, name="payment_reviews"),
    path("reviews/<uuid:deposit_id>/", payment_reviews.one, name="payment_review"),
    path("reviews/<uuid:deposit_id>/decide/", payment_reviews.decide, name="payment_review_decide"),
    path("watching/", rule_pages.overview, name="watch_rules"),
    path("watching/<uuid:rule_id>/", rule_pages.rule, name="watch_rule"),
    path("watching/<uuid:rule_id>/<slug:name>/", rule_pages.act, name="watch_rule_act"),
]
