"""The staff's own door: its addresses, cookies and lifetimes; the admin's name and colours."""

from casino.settings.environment import FARO_MODE, env

_https = FARO_MODE == "production"

#: What lies behind the staff door. Everything else is the players'.
STAFF_PATHS = ("/admin/", "/floor/", "/console/", "/support/", "/staff/", "/api/reports/")
STAFF_URLCONF = "casino.staff_urls"
#: A host of its own for staff pages, such as staff.example.com: other hosts then answer 404.
STAFF_HOST: str = env.str("STAFF_HOST", default="")
STAFF_SESSION_COOKIE_NAME = "__Host-staff-session" if _https else "faro_staff_session"
STAFF_CSRF_COOKIE_NAME = "__Host-staff-csrf" if _https else "faro_staff_csrf"
STAFF_MESSAGES_COOKIE_NAME = "__Host-staff-messages" if _https else "faro_staff_messages"
#: Without a request for so long, the next one signs in again (ASVS 5.0 §7.3.1).
STAFF_IDLE_S: int = env.int("STAFF_IDLE_S", default=15 * 60)
#: However busy, a shift later too (ASVS 5.0 §7.3.2).
STAFF_SESSION_S: int = env.int("STAFF_SESSION_S", default=10 * 3600)
#: Where each role begins, when that page exists; else in the admin.
STAFF_HOMES = {"presenter": "/console/", "pit_boss": "/floor/", "support": "/support/"}

UNFOLD = {"SITE_TITLE": "Faro", "SITE_HEADER": "Faro"}
