"""What the live game tells people beside its pages."""

from notices.kinds import register

ROUND_CORRECTED = register("round_corrected")
