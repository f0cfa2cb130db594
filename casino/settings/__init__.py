"""Django settings, one file per concern. Values come from the environment (see `.env.example`).

`FARO_MODE` says what this process is for: `production` (default, strict), `demo` (what `bin/up`
runs on embedded services) or `test`.
"""

from casino.settings.api import *  # noqa: F403
from casino.settings.apps import *  # noqa: F403  (order is meaning: later files refine)
from casino.settings.cache import *  # noqa: F403
from casino.settings.database import *  # noqa: F403
from casino.settings.documents import *  # noqa: F403
from casino.settings.environment import *  # noqa: F403
from casino.settings.house import *  # noqa: F403
from casino.settings.identity import *  # noqa: F403
from casino.settings.jobs import *  # noqa: F403
from casino.settings.logs import *  # noqa: F403
from casino.settings.mail import *  # noqa: F403
from casino.settings.metrics import *  # noqa: F403
from casino.settings.push import *  # noqa: F403
from casino.settings.reconciliation import *  # noqa: F403  (settings by concern, as all here)
from casino.settings.security import *  # noqa: F403
from casino.settings.staff_pages import *  # noqa: F403
from casino.settings.static_files import *  # noqa: F403
from casino.settings.streaming import *  # noqa: F403
