"""What the worker does for notices. Messages are hints; the rows are the queue."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from notices import delivery


@shared_task(name="notices.tasks.deliver")
def deliver_notice(delivery_id: str) -> None:
    """Send one delivery. Running it twice sends once."""
    delivery.deliver(UUID(delivery_id))


@shared_task(name="notices.tasks.sweep")
def sweep_notices() -> int:
    """Send what is due and whose hint was lost; runs every 10 seconds."""
    return delivery.sweep()
