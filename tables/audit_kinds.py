"""The significant events of the live game, with the words a person reads."""

from typing import Final

from audit.record import register
from tables.incidents.rules import Act

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
SHIFT_BEGAN = register("shift.began", "Presenter signed on")
SHIFT_LEAVING = register("shift.leaving", "Presenter leaves after this round")
SHIFT_ENDED = register("shift.ended", "Presenter signed off")
AUTHORISED = register("presenter.authorised", "Presenter's authorisation recorded")
AUTHORISATION_REVOKED = register("presenter.revoked", "Presenter's authorisation revoked")
EQUIPMENT_REGISTERED = register("equipment.registered", "Equipment put into service")
EQUIPMENT_RETIRED = register("equipment.retired", "Equipment taken out of service")
INSPECTED = register("table.inspected", "Table inspected")
RULES_PUBLISHED = register("rules.published", "Rules published to players")
CONSOLE_ACT = register("console.act", "Presenter acted at the console")
MANUAL_RESULT = register("round.manual_result", "Result entered by two people")
CORRECTION_PROPOSED = register("correction.proposed", "Correction of a result proposed")
CORRECTION_APPROVED = register("correction.approved", "Correction of a result approved")
CORRECTION_DECLINED = register("correction.declined", "Correction of a result declined")
CORRECTED = register("round.corrected", "Result corrected, money moved")
#: What people do about incidents, one kind per act.
INCIDENT_ACTS: Final = {
    Act.TAKE: register("incident.taken", "Incident taken"),
    Act.TICK: register("incident.step_done", "Step of an incident's procedure done"),
    Act.NOTE: register("incident.note", "Note on an incident"),
    Act.VOID: register("incident.void", "Round voided from an incident"),
    Act.RESPIN: register("incident.respin", "Round spun again from an incident"),
    Act.MANUAL_RESULT: register("incident.number_entered", "Number entered by hand"),
    Act.RESUME: register("incident.resume", "Resume asked for"),
    Act.CONFIRM_RESUME: register("incident.resume_confirmed", "Resume confirmed"),
    Act.DECLINE_RESUME: register("incident.resume_declined", "Resume declined"),
    Act.REPORT: register("incident.reported", "Incident reported to the regulator"),
}
