"""What somebody wrote or said of themselves, as kept: JSON, encrypted under the person's own key.

Without the key, once the person is forgotten, nothing of it can be read any more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from audit.canonical import storable
from audit.personal_keys import Encrypted, PersonalCode, decrypt_bytes, encrypt_bytes
from kernel.ids import PlayerId
from kernel.refusal import Refused


def seal(
    player_id: PlayerId, words: Mapping[str, str], *, binding: str, chars_max: int
) -> Encrypted:
    """Encrypt ``words``, each trimmed and cut at ``chars_max``; ``binding`` alone opens them."""
    plain = {name: storable(text.strip())[:chars_max] for name, text in words.items()}
    data = json.dumps(plain, ensure_ascii=False).encode()
    return encrypt_bytes(int(player_id), data, binding=binding)


def unseal(
    player_id: PlayerId, key_id: UUID, data: bytes | memoryview, *, binding: str
) -> dict[str, str]:
    """What was sealed; nothing of somebody who was forgotten."""
    try:
        plain = decrypt_bytes(int(player_id), Encrypted(key_id, bytes(data)), binding=binding)
    except Refused as refused:
        if refused.code is not PersonalCode.ERASED:
            raise
        return {}
    return {name: str(text) for name, text in json.loads(plain).items()}
