"""What accounts tell people: news of security and of the house, which need no consent."""

from __future__ import annotations

from notices.kinds import register

NEW_SIGN_IN = register("new_sign_in")
PASSWORD_CHANGED = register("password_changed")
SECOND_FACTOR_CHANGED = register("second_factor_changed")
#: To administrators and auditors: who came, who went, who may do what.
STAFF_NEWS = register("staff_news")
