"""What the back office tells people."""

from __future__ import annotations

from notices.kinds import register

FINISH_SIGN_UP = register("finish_sign_up")
API_TOKEN_MADE = register("api_token_made")
DATA_REQUEST_NEWS = register("data_request_news")
