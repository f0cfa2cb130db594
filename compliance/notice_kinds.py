"""What compliance tells people: news of their cases and checks, and to staff that one is late."""

from __future__ import annotations

from typing import Final

from notices.kinds import register

CASE_NEWS = register("case_news")
CASE_OVERDUE = register("case_overdue")
VERIFICATION_NEWS = register("verification_news")
VERIFICATION_OVERDUE = register("verification_overdue")
OFFICERS_OVERDUE = register("officers_overdue")
PROFILE_STOPS = register("profile_stops")
EXCLUSION_LIFTED = register("exclusion_lifted")

#: What an officer writes to a player whose play shows markers of harm.
HARM_NOTICES: Final = (
    register("harm_time"),
    register("harm_spend"),
    register("harm_check_in"),
)
