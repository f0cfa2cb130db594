"""What compliance tells people: news of their cases, and to staff that one is late."""

from __future__ import annotations

from notices.kinds import register

CASE_NEWS = register("case_news")
CASE_OVERDUE = register("case_overdue")
