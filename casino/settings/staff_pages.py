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
STAFF_HOMES = {
    "presenter": "/console/",
    "pit_boss": "/floor/",
    "support": "/support/",
    "inspector": "/admin/inspector/",
}

UNFOLD = {
    "SITE_TITLE": "Faro staff",
    "SITE_HEADER": "Faro",
    "SITE_SUBHEADER": "Staff",
    "SITE_URL": "/admin/",
    "SITE_ICON": "backoffice.desk_frame.mark",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/img/favicon.svg"}],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "ENVIRONMENT": "backoffice.desk_frame.environment",
    "ENVIRONMENT_TITLE_PREFIX": "backoffice.desk_frame.title_prefix",
    "DASHBOARD_CALLBACK": "backoffice.dashboard.show",
    "STYLES": ["backoffice.desk_frame.styles"],
    "BORDER_RADIUS": "10px",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "backoffice.desk_frame.navigation",
    },
    # the lamp and the slate of static/css/tokens.css, in the theme's steps from light to dark
    "COLORS": {
        "primary": {
            "50": "#fdf6e6", "100": "#faeac6", "200": "#f7dc9c", "300": "#f4ca6e",
            "400": "#f2b544", "500": "#f2b544", "600": "#85570a", "700": "#6b4508",
            "800": "#543607", "900": "#3f2905", "950": "#1e1503",
        },
        "base": {
            "50": "#f5f3ec", "100": "#ece9df", "200": "#ddd8ca", "300": "#afc0c3",
            "400": "#8fa5aa", "500": "#5a6a6f", "600": "#43565c", "700": "#24373d",
            "800": "#1a2b30", "900": "#111e22", "950": "#0a1316",
        },
        "font": {
            "subtle-light": "#5a6a6f", "subtle-dark": "#8fa5aa",
            "default-light": "#43565c", "default-dark": "#afc0c3",
            "important-light": "#12242a", "important-dark": "#edf2f0",
        },
    },
}  # fmt: skip
