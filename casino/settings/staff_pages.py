"""The admin's name and colours."""

UNFOLD = {"SITE_TITLE": "Faro", "SITE_HEADER": "Faro"}
