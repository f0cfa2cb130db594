"""What the back office tells people."""

from __future__ import annotations

from notices.kinds import register

FINISH_SIGN_UP = register("finish_sign_up")
