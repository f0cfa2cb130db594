"""Addresses of finance's desk."""

from django.urls import URLPattern, URLResolver, path

from backoffice.finance import (
    break_pages,
    file_pages,
    overview_pages,
    report_pages,
    run_pages,
    statement_pages,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("finance/", overview_pages.overview, name="finance"),
    path("finance/breaks/", break_pages.overview, name="breaks"),
    path("finance/breaks/<slug:break_id>/", break_pages.one, name="break"),
    path("finance/breaks/<slug:break_id>/assign/", break_pages.assign, name="break_assign"),
    path("finance/breaks/<slug:break_id>/note/", break_pages.note, name="break_note"),
    path("finance/breaks/<slug:break_id>/propose/", break_pages.propose, name="break_propose"),
    path(
        "finance/breaks/<slug:break_id>/<uuid:resolution_id>/approve/",
        break_pages.approve,
        name="break_approve",
    ),
    path(
        "finance/breaks/<slug:break_id>/<uuid:resolution_id>/refuse/",
        break_pages.refuse,
        name="break_refuse",
    ),
    path(
        "finance/breaks/<slug:break_id>/<uuid:resolution_id>/withdraw/",
        break_pages.withdraw,
        name="break_withdraw",
    ),
    path("finance/runs/", run_pages.overview, name="runs"),
    path("finance/runs/start/", run_pages.start, name="run_start"),
    path("finance/runs/attempts/<uuid:attempt_id>/", run_pages.attempt, name="run_attempt"),
    path("finance/runs/<slug:run_id>/", run_pages.run, name="run"),
    path("finance/runs/<slug:run_id>/<slug:part>.csv", run_pages.file, name="run_file"),
    path("finance/files/", file_pages.overview, name="files"),
    path("finance/files/upload/", file_pages.upload, name="file_upload"),
    path("finance/files/<uuid:file_id>/", file_pages.file, name="file"),
    path("finance/files/<uuid:file_id>/original/", file_pages.original, name="file_original"),
    path("finance/statements/", statement_pages.overview, name="statements"),
    path("finance/statements/<slug:day>/<int:no>/", statement_pages.statement, name="statement"),
    path(
        "finance/statements/<slug:day>/<int:no>/statement.json",
        statement_pages.file,
        name="statement_file",
    ),
    path(
        "finance/statements/<slug:day>/rounds/<slug:table>/",
        statement_pages.differing,
        name="statement_rounds",
    ),
    path("finance/reports/", report_pages.overview, name="reports"),
    path("finance/reports/<slug:name>/", report_pages.report, name="report"),
    path("finance/reports/<slug:name>/file.csv", report_pages.file, name="report_file"),
]
