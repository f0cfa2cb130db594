"""Identity documents: where they lie, who scans them, who compares faces, where they are shown."""

import json
from typing import Any

from casino.settings.environment import FARO_MODE, STATE_DIR, env
from casino.settings.security import STAFF_POLICY
from casino.settings.static_files import STORAGES

#: A storage class of Django (dotted path) and its options as JSON. Whatever it is, what reaches it
#: is encrypted; it must be private all the same, and under no address of a web server.
FARO_DOCUMENT_STORAGE: str = env.str(
    "FARO_DOCUMENT_STORAGE", default="django.core.files.storage.FileSystemStorage"
)
_options: str = env.str("FARO_DOCUMENT_STORAGE_OPTIONS", default="")
_documents: dict[str, Any] = {
    "BACKEND": FARO_DOCUMENT_STORAGE,
    "OPTIONS": json.loads(_options)
    if _options
    else {
        "location": str(STATE_DIR / "documents"),
        "base_url": None,
        "file_permissions_mode": 0o600,
        "directory_permissions_mode": 0o700,
    },
}

STORAGES["documents"] = _documents

#: tcp://host:3310 or unix:///path of clamd; "simulated" finds only the EICAR test string; empty: no
#: scanner, and then `check --deploy` warns.
FARO_VIRUS_SCANNER: str = env.str(
    "FARO_VIRUS_SCANNER", default="" if FARO_MODE == "production" else "simulated"
)
#: Dotted path of a class that compares faces (compliance/kyc/faces.py); empty: officers alone look.
FARO_FACE_PROVIDER: str = env.str("FARO_FACE_PROVIDER", default="")
#: An origin of its own (https://documents.example) from which officers' browsers fetch documents by
#: signed addresses; it must reach this server and stand in ALLOWED_HOSTS. Empty: the staff's own.
FARO_DOCUMENT_ORIGIN: str = env.str("FARO_DOCUMENT_ORIGIN", default="").rstrip("/")
if FARO_DOCUMENT_ORIGIN:
    STAFF_POLICY["img-src"] = ["'self'", "data:", "blob:", FARO_DOCUMENT_ORIGIN]
