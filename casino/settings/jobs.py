"""Celery. PostgreSQL state is the queue; messages are hints, so losing the broker loses nothing."""

from casino.settings.cache import REDIS_URL

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_TIME_LIMIT = 300

#: The schedule of `beat`, merged into its database. PostgreSQL rows are the queue: sweeps find what
#: lost hints left.
CELERY_BEAT_SCHEDULE = {
    "audit.seal": {"task": "audit.tasks.seal", "schedule": 60.0},
    "audit.tell_witness": {"task": "audit.tasks.tell_witness", "schedule": 10.0},
    "audit.extend_partitions": {"task": "audit.tasks.extend_partitions", "schedule": 86_400.0},
    "ledger.expire_holds": {"task": "ledger.tasks.expire_holds", "schedule": 60.0},
    "notices.sweep": {"task": "notices.tasks.sweep", "schedule": 10.0},
    "payments.sweep": {"task": "payments.tasks.sweep", "schedule": 10.0},
    "payments.import_files": {
        "task": "payments.tasks.import_files",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "payments.catch_up": {"task": "payments.tasks.catch_up", "schedule": 60.0},
    "payments.reconcile": {
        "task": "payments.tasks.reconcile",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "payments.ask_reconciliation": {
        "task": "payments.tasks.ask_reconciliation",
        "schedule": 86_400.0,
    },
    "tables.apply_orders": {"task": "tables.tasks.apply_orders", "schedule": 10.0},
    "tables.finish_decisions": {"task": "tables.tasks.finish_decisions", "schedule": 10.0},
    "compliance.fold_facts": {"task": "compliance.tasks.fold_facts", "schedule": 10.0},
    "accounts.end_unused_sessions": {
        "task": "accounts.tasks.end_unused_sessions",
        "schedule": 30.0,
    },
    "compliance.end_paused_sessions": {
        "task": "compliance.tasks.end_paused_sessions",
        "schedule": 60.0,
    },
    "compliance.forget_old_quarters": {
        "task": "compliance.tasks.forget_old_quarters",
        "schedule": 86_400.0,
    },
    "compliance.alarm_overdue_cases": {
        "task": "compliance.tasks.alarm_overdue_cases",
        "schedule": 300.0,
    },
    "compliance.purge_cases": {"task": "compliance.tasks.purge_cases", "schedule": 86_400.0},
    "compliance.screen_players": {"task": "compliance.tasks.screen_players", "schedule": 30.0},
    "compliance.load_lists": {"task": "compliance.tasks.load_lists", "schedule": 60.0},
    "compliance.ask_registries": {
        "task": "compliance.tasks.ask_registries",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "compliance.compare_with_excluded": {
        "task": "compliance.tasks.compare_with_excluded",
        "schedule": 3_600.0,
    },
    "compliance.sweep_kyc": {"task": "compliance.tasks.sweep_kyc", "schedule": 10.0},
    "compliance.look_at_documents": {
        "task": "compliance.tasks.look_at_documents",
        "schedule": 10.0,
    },
    "compliance.sweep_strays": {"task": "compliance.tasks.sweep_strays", "schedule": 3_600.0},
    "compliance.scan_again": {"task": "compliance.tasks.scan_again", "schedule": 60.0},
    "backoffice.watch": {"task": "backoffice.tasks.watch", "schedule": 1_800.0},
    "backoffice.try_rules": {
        "task": "backoffice.tasks.try_rules",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "backoffice.keep_retention": {
        "task": "backoffice.tasks.keep_retention",
        "schedule": 86_400.0,
    },
    "backoffice.alarm_data_requests": {
        "task": "backoffice.tasks.alarm_data_requests",
        "schedule": 300.0,
    },
    "backoffice.state_day": {
        "task": "backoffice.tasks.state_day",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "casino.self_check": {"task": "casino.tasks.run_self_check", "schedule": 86_400.0},
    "tables.sweep_segments": {"task": "tables.tasks.sweep_segments", "schedule": 60.0},
    "tables.archive_clips": {"task": "tables.tasks.archive_clips", "schedule": 10.0},
    "tables.keep_archive": {"task": "tables.tasks.keep_archive", "schedule": 86_400.0},
}
