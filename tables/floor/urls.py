"""Addresses of the floor: behind the staff door."""

from django.urls import URLPattern, path

from tables.corrections import pages as correction_pages
from tables.devices import pages as device_pages
from tables.floor import pages as floor_pages
from tables.floor import switch_pages
from tables.incidents import pages as incident_pages

app_name = "floor"
urlpatterns: list[URLPattern] = [
    path("", floor_pages.overview, name="overview"),
    path("state", floor_pages.state, name="state"),
    path("tables/<slug:table_id>/", floor_pages.table, name="table"),
    path("tables/<slug:table_id>/suspend/", floor_pages.suspend, name="suspend"),
    path("incidents/", incident_pages.incidents, name="incidents"),
    path("incidents/<uuid:incident_id>/", incident_pages.incident, name="incident"),
    path("incidents/<uuid:incident_id>/panel", incident_pages.panel, name="incident_panel"),
    path("incidents/<uuid:incident_id>/clip/<str:name>", incident_pages.clip, name="incident_clip"),
    path("incidents/<uuid:incident_id>/<slug:act>/", incident_pages.act, name="incident_act"),
    path("corrections/", correction_pages.corrections, name="corrections"),
    path("corrections/propose/", correction_pages.propose, name="propose"),
    path("corrections/<uuid:correction_id>/", correction_pages.correction, name="correction"),
    path("corrections/<uuid:correction_id>/approve/", correction_pages.approve, name="approve"),
    path("corrections/<uuid:correction_id>/decline/", correction_pages.decline, name="decline"),
    path("switches/", switch_pages.switches, name="switches"),
    path("switches/disable/", switch_pages.disable, name="disable"),
    path("switches/enable/", switch_pages.enable, name="enable"),
    path("devices/", device_pages.devices, name="devices"),
    path("devices/enrol/", device_pages.enrol, name="device_enrol"),
    path("devices/<str:device_id>/", device_pages.device, name="device"),
    path("devices/<str:device_id>/key/", device_pages.enrol_key, name="device_key"),
    path("devices/<str:device_id>/revoke/", device_pages.revoke, name="device_revoke"),
    path("devices/<str:device_id>/replace/", device_pages.replace, name="device_replace"),
    path("devices/<str:device_id>/retire/", device_pages.retire, name="device_retire"),
]
