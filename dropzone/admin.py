"""Payloads and measurements in the admin."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.api.admin import ReadOnlyAdmin
from config.api.permissions import has_access
from dropzone.jobs import kicker
from dropzone.models import Measurement, Payload
from dropzone.replaying import replay


@admin.register(Payload)
class PayloadAdmin(ReadOnlyAdmin):
    list_display = ("id", "state", "received_at", "timestamp", "size_bytes", "sender", "attempts")
    list_filter = ("state", "received_at")
    search_fields = ("=id", "=idempotency_key", "=sender")
    ordering = ("-id",)
    fields = (
        *("state", "reasons", "timestamp", "received_at", "ended_at", "raw", "digest"),
        *("size_bytes", "content_type", "content_encoding", "sender", "idempotency_key"),
        *("attempts", "next_attempt_at", "fault"),
    )
    readonly_fields = ("raw", "digest")
    actions = ("replay_payloads",)

    @admin.display(description="bytes as received")
    def raw(self, payload: Payload) -> SafeString:
        return format_html('<a href="{}">download</a>', reverse("payload-raw", args=[payload.pk]))

    @admin.display(description="SHA-256")
    def digest(self, payload: Payload) -> str:
        return bytes(payload.sha256).hex()

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Who may only look must not act."""
        return has_access(request, "replay")

    @admin.action(permissions=["replay"], description="Process those that were rejected anew")
    def replay_payloads(self, request: HttpRequest, payloads: Any) -> None:
        is_whole = request.POST.get("select_across") == "1"
        ids = request.POST.getlist("_selected_action")
        count = replay(payloads, {"list": request.GET.urlencode()} if is_whole else {"id": ids})
        kicker.kick()
        self.message_user(request, f"{count} are processed anew", messages.SUCCESS)


@admin.register(Measurement)
class MeasurementAdmin(ReadOnlyAdmin):
    list_display = ("timestamp", "mean", "std", "count", "payload_id")
    list_filter = ("timestamp",)
    ordering = ("-timestamp",)
    fields = ("timestamp", "mean", "std", "count", "payload")
    readonly_fields = ("payload",)

    @admin.display(description="payload")
    def payload(self, measurement: Measurement) -> SafeString:
        url = reverse("admin:dropzone_payload_change", args=[measurement.payload_id])
        return format_html('<a href="{}">{}</a>', url, measurement.payload_id)
