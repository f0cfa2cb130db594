"""The significant events of the live game, with the words a person reads."""

from audit.record import register

TABLE_SET_UP = register("table.set_up", "Table set up")
TABLE_OPENED = register("table.opened", "Table opened")
TABLE_SUSPENDED = register("table.suspended", "Table suspended")
TABLE_RESUMED = register("table.resumed", "Table resumed")
DEVICE_ENROLLED = register("device.enrolled", "Device enrolled")
DEVICE_KEY_ENROLLED = register("device.key_enrolled", "Device key enrolled")
DEVICE_KEY_REVOKED = register("device.key_revoked", "Device key revoked")
DEVICE_RETIRED = register("device.retired", "Device retired")
NO_SPIN = register("round.no_spin", "No spin: bets stay valid")
OFFICIAL = register("round.official", "Result official")
SETTLED = register("round.settled", "Round settled")
VOIDED = register("round.voided", "Round voided, bets refunded")
RESPUN = register("round.respun", "Suspended round spins again")
