"""Procedures are read strictly, cover every fault and code, and are what docs/staff says.

Write docs/staff/procedures.md again with `FARO_WRITE_SAMPLES=1` when the file changes on purpose.
"""

import os
from pathlib import Path

import pytest
import yaml

from studio.protocol.messages import FaultCode, NoSpinReason
from tables.incidents import procedures
from tables.incidents.procedures import BOOK, BadProcedures, Before, LeadsTo, Resolution
from tables.incidents.rules import Act, Facts, IncidentCode, refusal
from tables.phases import Phase
from tables.play.evidence import Fault

TEXT = procedures.PATH.read_text(encoding="utf-8")
PAGE = Path(__file__).parents[2] / "docs" / "staff" / "procedures.md"


@pytest.mark.feature("F24")
def test_every_fault_and_every_code_of_a_device_leads_to_a_procedure():
    assert {fault.value for fault in Fault} <= BOOK.procedures.keys()
    for code in FaultCode:
        assert BOOK.codes[code].leads_to is LeadsTo.SUSPEND
        found = BOOK.of(Fault.DEVICE_FAULT, code.value)
        assert Resolution.VOID in found.acts
        assert Resolution.RESUME in found.acts
    for reason in NoSpinReason:
        assert BOOK.codes[reason].leads_to is LeadsTo.RESPIN
        assert BOOK.codes[reason].procedure == "no_spin"
    assert BOOK.of(Fault.DEVICE_FAULT, "lamp_out").name == "device_fault"


def test_every_procedure_that_stops_a_table_ends_in_a_resume_and_can_refund():
    for fault in Fault:
        found = BOOK.of(fault)
        assert {Resolution.VOID, Resolution.RESUME} <= found.acts, fault
        assert found.void_reasons, fault


def test_a_doubtful_number_never_spins_again_and_a_known_one_is_never_declared():
    """A ball that landed is not launched again; a number known before the close pays nobody."""
    for fault in (Fault.SOURCES_DISAGREE, Fault.RESULT_CHANGED, Fault.RESULT_BEFORE_CLOSE):
        assert Resolution.RESPIN not in BOOK.of(fault).acts
    assert Resolution.MANUAL_RESULT not in BOOK.of(Fault.RESULT_BEFORE_CLOSE).acts


def _without(section, name):
    def changed(document):
        del document[section][name]

    return changed


def _with(section, name, **fields):
    def changed(document):
        document[section][name] |= fields

    return changed


def _text(change):
    """The file with ``change``: made by the test, not by each worker that only collects it."""
    if isinstance(change, str):
        return change
    document = yaml.safe_load(TEXT)
    change(document)
    return yaml.safe_dump(document)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without("procedures", "no_launch"), "faults without procedure: no_launch"),
        (_without("codes", "spin_jump"), "device codes without procedure: spin_jump"),
        (_with("procedures", "operator", acts=["void", "pray"]), "'pray'"),
        (_with("procedures", "operator", told="nothing"), "'nothing'"),
        (_with("procedures", "operator", void_reasons=["drill"]), "unknown void_reasons: drill"),
        (_with("procedures", "operator", void_reasons=[]), "void and void_reasons go together"),
        (_with("procedures", "operator", steps=[]), "needs steps"),
        (_with("procedures", "operator", second_person="yes"), "not true or false"),
        (_with("procedures", "operator", report_hours=0), "positive whole number"),
        (_with("procedures", "operator", surprise=1), "surprise"),
        (_with("procedures", "operator", title=" "), "needs words"),
        (_with("codes", "silent", procedure="prayer"), "no procedure prayer"),
        (_with("codes", "silent", leads_to="hope"), "'hope'"),
        ("format: 2", "needs"),
        ("[", "not YAML"),
        ("just words", "not a mapping"),
    ],
)
def test_what_is_not_understood_stops_the_start(change, says):
    with pytest.raises(BadProcedures, match=says):
        procedures.load_text(_text(change))


def _facts(**more):
    return Facts(
        **{
            "procedure": BOOK.of(Fault.NO_RESULT),
            "resolved": False,
            "actor": "staff:2",
            "ticked": frozenset(step.id for step in BOOK.of(Fault.NO_RESULT).steps),
            "phase": Phase.SUSPENDED,
            "phase_before": "spinning",
        }
        | more
    )


@pytest.mark.parametrize(
    ("act", "more", "code"),
    [
        (Act.VOID, {}, None),
        (Act.VOID, {"refunds_begun": True}, None),
        (Act.VOID, {"phase": None}, IncidentCode.NO_ROUND),
        (Act.VOID, {"phase": Phase.SETTLED}, IncidentCode.ROUND_NOT_SUSPENDED),
        (Act.VOID, {"ticked": frozenset()}, IncidentCode.STEPS_OPEN),
        (Act.VOID, {"resolved": True}, IncidentCode.RESOLVED),
        (Act.RESPIN, {}, None),
        (Act.RESPIN, {"refunds_begun": True}, IncidentCode.REFUNDS_BEGUN),
        (Act.RESPIN, {"wants_devices": True, "devices_well": False}, IncidentCode.DEVICES_NOT_WELL),
        (Act.RESPIN, {"procedure": BOOK.of(Fault.SOURCES_DISAGREE)}, IncidentCode.NOT_IN_PROCEDURE),
        (Act.MANUAL_RESULT, {}, None),
        (Act.MANUAL_RESULT, {"presenter": "staff:2"}, IncidentCode.IS_PRESENTER),
        (Act.MANUAL_RESULT, {"entered_by": "staff:2"}, IncidentCode.SAME_PERSON),
        (Act.MANUAL_RESULT, {"entered_by": "staff:3"}, None),
        (Act.MANUAL_RESULT, {"phase_before": "betting_open"}, IncidentCode.BETTING_WAS_OPEN),
        (Act.MANUAL_RESULT, {"phase": Phase.OFFICIAL}, IncidentCode.ROUND_NOT_SUSPENDED),
        (Act.RESUME, {"phase": Phase.VOIDED}, None),
        (Act.RESUME, {"unresolved": True}, IncidentCode.ROUND_UNRESOLVED),
        (Act.RESUME, {"table_suspended": False}, IncidentCode.NOT_SUSPENDED),
        (Act.RESUME, {"wants_devices": True, "devices_well": False}, IncidentCode.DEVICES_NOT_WELL),
        (Act.RESUME, {"others_open": True}, IncidentCode.OTHERS_OPEN),
        (Act.RESUME, {"proposed_by": "staff:3"}, IncidentCode.PROPOSED),
        (Act.CONFIRM_RESUME, {}, IncidentCode.NOT_PROPOSED),
        (Act.CONFIRM_RESUME, {"proposed_by": "staff:2"}, IncidentCode.SAME_PERSON),
        (Act.CONFIRM_RESUME, {"proposed_by": "staff:3"}, None),
        (Act.DECLINE_RESUME, {}, IncidentCode.NOT_PROPOSED),
        (Act.TAKE, {"taken_by": "staff:2"}, IncidentCode.ALREADY_YOURS),
        (Act.TAKE, {"taken_by": "staff:3"}, None),
        (Act.NOTE, {"resolved": True}, None),
        (Act.REPORT, {}, IncidentCode.NOTHING_TO_REPORT),
        (Act.REPORT, {"report_due": True, "resolved": True}, None),
        (Act.REPORT, {"report_due": True, "reported": True}, IncidentCode.REPORTED),
    ],
)
def test_why_an_act_may_not_be_done(act, more, code):
    assert refusal(act, _facts(**more)) is code


def _page() -> str:
    """docs/staff/procedures.md, from the data."""
    lines = [
        "# Procedures after a table has stopped",
        "",
        "Made from `tables/incidents/procedures.yaml`; the incident's page in Faro says the same."
        " A step marked *first* is done before the round is decided, the others before the table is"
        " opened again. Only what stands under **Allowed** may be done. A number by hand is always"
        " entered by two people, neither of whom presents the round.",
    ]
    for found in BOOK.procedures.values():
        lines += ["", f"## {found.title}", "", f"`{found.name}`. {found.meaning}", ""]
        for place, step in enumerate(found.steps, 1):
            mark = "*first* " if step.before is Before.DECIDE else ""
            lines.append(f"{place}. {mark}{step.text}")
        allowed = [act.value.replace("_", " ") for act in Resolution if act in found.acts]
        lines += [
            "",
            f"**Allowed:** {', '.join(allowed) or 'nothing; the round goes on by itself'}.",
        ]
        if found.void_reasons:
            reasons = [BOOK.void_reasons[reason] for reason in found.void_reasons]
            lines.append(f"**Reasons for a void:** {' '.join(reasons)}")
        wants = []
        if found.second_person:
            wants.append("somebody else confirms")
        if found.devices_well:
            wants.append("every device is well")
        if Resolution.RESUME in found.acts:
            lines.append(f"**To resume:** a cause{''.join(f', {want}' for want in wants)}.")
        if found.report_hours:
            lines.append(f"**Tell the regulator** within {found.report_hours} hours.")
    lines += ["", "## What devices say", "", "| word | meaning | leads to |", "|---|---|---|"]
    for code in BOOK.codes.values():
        leads = "spun again" if code.leads_to is LeadsTo.RESPIN else "table stops"
        procedure = BOOK.procedures[code.procedure].title
        lines.append(f"| `{code.code}` | {code.meaning} | {leads}: {procedure} |")
    return "\n".join(lines) + "\n"


def test_the_staff_s_page_of_procedures_says_what_the_data_says():
    if os.environ.get("FARO_WRITE_SAMPLES"):
        PAGE.write_text(_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == _page()
