"""Identity checks as rows. A check moves only by a row in its history (migration 0005)."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from compliance.kept_rows import KeptRow


class KycCheck(KeptRow):
    """Where one subject of one player is. Moved by the database when a transition is written."""

    id = models.TextField(primary_key=True)
    player_id = models.BigIntegerField()
    subject = models.TextField()
    state = models.TextField()
    awaits = models.TextField()
    attempt = models.IntegerField()
    due_at = models.DateTimeField(null=True)
    expires_on = models.DateField(null=True)
    policy = models.TextField()
    changed_at = models.DateTimeField()
    reminded_until = models.DateTimeField(null=True)
    alarmed_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "compliance_kyc_check"
        permissions = [
            ("view_kyc", "Can see identity checks"),
            ("open_documents", "Can open identity documents"),
            ("decide_kyc", "Can decide identity checks"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} of player {self.player_id}: {self.state}"


class KycTransition(KeptRow):
    """One move of a check. Append-only; ``text`` is what the player reads."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    player_id = models.BigIntegerField()
    subject = models.TextField()
    from_state = models.TextField()
    to_state = models.TextField()
    cause = models.TextField()
    actor_kind = models.TextField()
    actor_id = models.TextField()
    reason = models.TextField()
    text = models.TextField()
    data = models.JSONField()
    awaits = models.TextField()
    due_at = models.DateTimeField(null=True)
    expires_on = models.DateField(null=True)
    review_id = models.UUIDField(null=True)
    policy = models.TextField()
    attempt = models.IntegerField()

    class Meta:
        managed = False
        db_table = "compliance_kyc_transition"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.subject} of player {self.player_id}: {self.from_state} to {self.to_state}"


class KycReview(KeptRow):
    """What an officer decided, and the second one where the policy asks for two."""

    id = models.UUIDField(primary_key=True)
    player_id = models.BigIntegerField()
    subject = models.TextField()
    attempt = models.IntegerField()
    verdict = models.TextField()
    reason = models.TextField()
    note = models.TextField()
    expires_on = models.DateField(null=True)
    four_eyes = models.BooleanField()
    outcome = models.TextField()
    first_by = models.BigIntegerField()
    first_at = models.DateTimeField()
    second_by = models.BigIntegerField(null=True)
    second_at = models.DateTimeField(null=True)
    second_note = models.TextField()
    policy = models.TextField()

    class Meta:
        managed = False
        db_table = "compliance_kyc_review"

    def __str__(self) -> str:
        return f"{self.verdict} {self.subject} of player {self.player_id}: {self.outcome}"


class KycUpload(KeptRow):
    """One form that came with files; its key is answered the same for ever."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    player_id = models.BigIntegerField()
    subject = models.TextField()
    attempt = models.IntegerField()
    key = models.TextField()
    fingerprint = models.TextField()
    refused = models.JSONField()

    class Meta:
        managed = False
        db_table = "compliance_kyc_upload"

    def __str__(self) -> str:
        return f"upload {self.key} of player {self.player_id}"


class KycDocument(KeptRow):
    """One file that was taken: what it is, where its pages' hashes are, and its wrapped key."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    player_id = models.BigIntegerField()
    subject = models.TextField()
    attempt = models.IntegerField()
    kind = models.TextField()
    upload_id = models.UUIDField()
    media = models.TextField()
    size_bytes = models.IntegerField()
    sha256 = models.TextField()
    pages = models.JSONField()
    person_key = models.UUIDField()
    wrapped_key = models.BinaryField(null=True)
    scan = models.TextField()
    scan_detail = models.TextField()
    scan_tries = models.IntegerField()
    scanned_at = models.DateTimeField()
    is_original_kept = models.BooleanField()
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = "compliance_kyc_document"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.kind} of player {self.player_id}"


class KycDeclaration(KeptRow):
    """What a player wrote, or an officer read off, encrypted under the player's key."""

    id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    player_id = models.BigIntegerField()
    subject = models.TextField()
    attempt = models.IntegerField()
    actor_kind = models.TextField()
    actor_id = models.TextField()
    person_key = models.UUIDField()
    personal = models.BinaryField()

    class Meta:
        managed = False
        db_table = "compliance_kyc_declaration"
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"declaration about {self.subject} of player {self.player_id}"
