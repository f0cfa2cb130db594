"""The register of devices as pages: the pit sees it, an administrator changes it (F23)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.staff_access import staff_actor, staff_required
from audit.database_clock import database_now
from kernel.ids import Actor
from kernel.refusal import Refused
from tables.devices import devices as register
from tables.devices.devices import DeviceCode
from tables.floor import words
from tables.floor.forms import ActForm
from tables.models import Device, DeviceKey, DeviceKind, Table

LOOK: Final = "tables.view_device"
MANAGE: Final = register.MANAGE
NAME_CHARS_MAX: Final = 60

#: The field that shows a refusal.
_FIELDS: Final = {
    DeviceCode.BAD_PUBLIC_KEY: "public_key",
    DeviceCode.KEY_MISSING: "public_key",
    DeviceCode.KEY_TAKEN: "key_id",
    DeviceCode.DEVICE_TAKEN: "device_id",
    DeviceCode.REASON_MISSING: "reason",
    DeviceCode.UNKNOWN_KIND: "kind",
}


class KeyForm(ActForm):
    """One more key for a device."""

    key_id = forms.CharField(label="Key id", max_length=NAME_CHARS_MAX)
    public_key = forms.CharField(
        label="Public key",
        max_length=64,
        help_text="Ed25519, base64. The private half never leaves the studio.",
    )


class ReasonForm(ActForm):
    """An act that needs its reason."""

    reason = forms.CharField(label="Reason", max_length=register.REASON_CHARS_MAX)


class RevokeForm(ReasonForm):
    """Revoke one key, for good."""

    key_id = forms.CharField(widget=forms.HiddenInput, max_length=NAME_CHARS_MAX)


class DeviceForm(ActForm):
    """A device to be enrolled."""

    device_id = forms.CharField(label="Device id", max_length=NAME_CHARS_MAX)
    key_id = forms.CharField(label="Key id", max_length=NAME_CHARS_MAX, required=False)
    public_key = forms.CharField(
        label="Public key",
        max_length=64,
        required=False,
        help_text="Ed25519, base64. Empty for a camera or encoder that signs nothing.",
    )
    must_be_heard = forms.BooleanField(
        label="The table stops when it is silent", required=False, initial=True
    )

    def wanted(self, kind: str) -> register.Wanted:
        """The device that the form describes."""
        return register.Wanted(
            id=self.said("device_id"),
            kind=kind,
            key_id=self.said("key_id"),
            public_key_b64=self.said("public_key"),
            must_be_heard=bool(self.cleaned_data["must_be_heard"]),
        )


class EnrolForm(DeviceForm):
    """A new device at a table."""

    table = forms.ModelChoiceField(queryset=Table.objects.none(), label="Table")
    kind = forms.ChoiceField(label="Kind", choices=DeviceKind.choices)
    field_order = ("table", "kind", "device_id", "key_id", "public_key", "must_be_heard")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a field with choices, which forms type as any field
        self.fields["table"].queryset = Table.objects.all()  # type: ignore[attr-defined]


class ReplaceForm(DeviceForm, ReasonForm):
    """A device in the place of another one of its kind."""


@require_GET
@staff_required(LOOK)
def devices(request: HttpRequest) -> HttpResponse:
    """Every device of the house and how it is."""
    return _list_page(request, EnrolForm())


@require_POST
@staff_required(MANAGE)
def enrol(request: HttpRequest) -> HttpResponse:
    """Admit a new device with its key."""
    form = EnrolForm(request.POST)
    if not form.is_valid():
        return _list_page(request, form, status=422)
    table: Table = form.cleaned_data["table"]
    try:
        made = register.enrol(table.id, form.wanted(form.said("kind")), actor=staff_actor(request))
    except Refused as refused:
        _refuse(form, refused, 0)
        return _list_page(request, form, status=409)
    messages.success(request, f"{made.id} is enrolled at {table.name}.")
    return redirect("floor:device", made.id)


@require_GET
@staff_required(LOOK)
def device(request: HttpRequest, device_id: str) -> HttpResponse:
    """One device: its keys, its health, and the acts on it."""
    return _page(request, device_id, {})


def _act(
    name: str, form_class: type[ActForm], act: Callable[[str, Any, Actor], str]
) -> Callable[[HttpRequest, str], HttpResponse]:
    """A post that changes one device; a refusal is shown on its page, with what was typed."""

    @require_POST
    @staff_required(MANAGE)
    def view(request: HttpRequest, device_id: str) -> HttpResponse:
        form = form_class(request.POST)
        if not form.is_valid():
            return _page(request, device_id, {name: form}, status=422)
        try:
            said = act(device_id, form, staff_actor(request))
        except Refused as refused:
            found = Device.objects.filter(id=device_id).first()
            _refuse(form, refused, found.version if found else 0)
            return _page(request, device_id, {name: form}, status=409)
        messages.success(request, said)
        return redirect("floor:device", device_id)

    return view


def _enrol_key(device_id: str, form: KeyForm, actor: Actor) -> str:
    register.enrol_key(
        device_id,
        key_id=form.said("key_id"),
        public_key_b64=form.said("public_key"),
        version=form.seen,
        actor=actor,
    )
    return f"Key {form.said('key_id')} signs from now on."


def _revoke(device_id: str, form: RevokeForm, actor: Actor) -> str:
    key_id = form.said("key_id")
    if not DeviceKey.objects.filter(id=key_id, device_id=device_id).exists():
        raise Refused(DeviceCode.UNKNOWN_KEY, key=key_id)
    register.revoke_key(key_id, reason=form.said("reason"), version=form.seen, actor=actor)
    return f"Key {key_id} is revoked: nothing that it signs is taken any more."


def _replace(device_id: str, form: ReplaceForm, actor: Actor) -> str:
    old = Device.objects.filter(id=device_id).first()
    if old is None:
        raise Refused(DeviceCode.UNKNOWN_DEVICE, device=device_id)
    made = register.replace(
        device_id,
        form.wanted(old.kind),
        reason=form.said("reason"),
        version=form.seen,
        actor=actor,
    )
    return f"{device_id} is out of service; {made.id} stands in its place."


def _retire(device_id: str, form: ReasonForm, actor: Actor) -> str:
    register.retire(device_id, reason=form.said("reason"), version=form.seen, actor=actor)
    return f"{device_id} is out of service and its keys are revoked."


enrol_key = _act("key_form", KeyForm, _enrol_key)
revoke = _act("revoke_form", RevokeForm, _revoke)
replace = _act("replace_form", ReplaceForm, _replace)
retire = _act("retire_form", ReasonForm, _retire)


def _refuse(form: ActForm, refused: Refused, version: int) -> None:
    field = _FIELDS.get(refused.code) if isinstance(refused.code, DeviceCode) else None
    if refused.code is DeviceCode.BAD_NAME:
        field = "key_id" if refused.data.get("what") == "key" else "device_id"
    form.refuse(refused, version=version, field=field)


def _list_page(request: HttpRequest, form: EnrolForm, *, status: int = 200) -> HttpResponse:
    now = database_now()
    found = (
        Device.objects.select_related("table")
        .prefetch_related(_KEYS)
        .order_by("table__position", "table_id", "kind", "id")
    )
    rows = [_row(one, now) for one in found]
    facts = {
        "section": "devices",
        "in_service": [row for row in rows if row["device"].retired_at is None],
        "retired": [row for row in rows if row["device"].retired_at is not None],
        "form": form if request.user.has_perm(MANAGE) else None,
    }
    return render(request, "floor/devices.html", facts, status=status)


def _page(
    request: HttpRequest, device_id: str, bound: dict[str, ActForm], *, status: int = 200
) -> HttpResponse:
    found = (
        Device.objects.select_related("table").prefetch_related(_KEYS).filter(id=device_id).first()
    )
    if found is None:
        raise Http404
    may = request.user.has_perm(MANAGE) and found.retired_at is None
    version = found.version
    revoking = bound.get("revoke_form")
    keys = [
        {"key": key, "form": _revoke_form(key, version if may else None, revoking)}
        for key in found.keys.all()
    ]
    facts = {
        "section": "devices",
        **_row(found, database_now()),
        "may": may,
        "keys": keys,
        "lost_revoke": revoking if all(one["form"] is not revoking for one in keys) else None,
        "key_form": bound.get("key_form") or KeyForm(version=version),
        "replace_form": bound.get("replace_form") or ReplaceForm(version=version),
        "retire_form": bound.get("retire_form") or ReasonForm(version=version),
    }
    return render(request, "floor/device.html", facts, status=status)


_KEYS: Final = Prefetch("keys", queryset=DeviceKey.objects.order_by("enrolled_at", "id"))


def _revoke_form(key: DeviceKey, version: int | None, typed: ActForm | None) -> ActForm | None:
    """The form that was refused, whatever has changed; else one where the key may be revoked."""
    if typed is not None and typed.data.get("key_id") == key.id:
        return typed
    if key.revoked_at is not None or version is None:
        return None
    return RevokeForm(version=version, initial={"key_id": key.id}, auto_id=f"revoke-{key.id}-%s")


def _row(found: Device, now: datetime) -> dict[str, Any]:
    silence = timedelta(milliseconds=found.table.device_silence_ms)
    how = register.health(found, now, silence)
    quiet = now - found.last_seen_at if found.last_seen_at else None
    is_well = how in {register.Health.WELL, register.Health.BY_PICTURE, register.Health.RETIRED}
    return {
        "device": found,
        "health": how.value,
        "look": "well" if is_well else "bad",
        "words": words.HEALTH[how],
        "quiet": words.seconds(quiet) if quiet is not None else "",
        "key_ids": [key.id for key in found.keys.all() if key.revoked_at is None],
    }
