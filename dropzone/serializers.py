"""What the API tells of payloads and measurements."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.errors import show_name
from dropzone.models import Lineage, Measurement, Payload


@extend_schema_field(str)
class HexField(serializers.Field[Any, Any, str, Any]):
    """Bytes as hexadecimal digits."""

    def to_representation(self, value: Any) -> str:
        return bytes(value).hex()


class ReasonSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    reason = serializers.CharField()


class PayloadSerializer(serializers.ModelSerializer[Payload]):
    """A payload: `timestamp` is that of the measurement which it produced."""

    sha256 = HexField(read_only=True)
    reasons = ReasonSerializer(many=True, read_only=True)
    status_url = serializers.HyperlinkedIdentityField(view_name="payload-detail")
    raw_url = serializers.HyperlinkedIdentityField(view_name="payload-raw")

    class Meta:
        model = Payload
        fields: tuple[str, ...] = (
            *("id", "state", "reasons", "timestamp", "received_at", "ended_at"),
            *("sha256", "size_bytes", "content_type", "content_encoding", "sender"),
            *("idempotency_key", "attempts", "next_attempt_at", "fault"),
            *("status_url", "raw_url"),
        )


class ProducedSerializer(serializers.ModelSerializer[Lineage]):
    class Meta:
        model = Lineage
        fields = ("timestamp", "mean", "std", "count")


class PayloadDetailSerializer(PayloadSerializer):
    """A payload with what it says of its instant, if anything."""

    produced = serializers.SerializerMethodField()

    class Meta(PayloadSerializer.Meta):
        fields = (*PayloadSerializer.Meta.fields, "produced")

    def get_produced(self, payload: Payload) -> dict[str, Any] | None:
        if payload.timestamp is None:
            return None
        found = Lineage.objects.get(timestamp=payload.timestamp, payload_id=payload.pk)
        return ProducedSerializer(found).data


class ReceiptSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    sha256 = serializers.CharField()
    status_url = serializers.URLField()


class ReplaySerializer(serializers.Serializer[Any]):
    """`filter` holds parameters of the list of payloads; those that are not rejected stay."""

    filter = serializers.DictField(child=serializers.JSONField(), default=dict)
    dry_run = serializers.BooleanField(default=True)

    def to_internal_value(self, data: Any) -> Any:
        """A member that is not understood may be a filter that somebody meant."""
        if isinstance(data, dict) and (unknown := sorted(data.keys() - self.fields.keys())):
            faults = {show_name(name): "unknown member" for name in unknown}
            raise serializers.ValidationError(faults)
        return super().to_internal_value(data)


class ReplayedSerializer(serializers.Serializer[Any]):
    matching = serializers.IntegerField()
    examined = serializers.IntegerField(required=False)
    would_pass = serializers.IntegerField(required=False)
    replayed = serializers.IntegerField(required=False)


class MeasurementSerializer(serializers.ModelSerializer[Measurement]):
    payload = serializers.IntegerField(source="payload_id", read_only=True)

    class Meta:
        model = Measurement
        fields = ("timestamp", "mean", "std", "count", "payload")


class LineageSerializer(serializers.Serializer[Any]):
    """What a payload says of the instant; `is_standing`: it is the one that stands."""

    payload = serializers.IntegerField()
    sha256 = serializers.CharField()
    received_at = serializers.DateTimeField()
    processed_at = serializers.DateTimeField()
    mean = serializers.FloatField()
    std = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField()
    is_standing = serializers.BooleanField()


class LineageListSerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    count = serializers.IntegerField()
    lineage = LineageSerializer(many=True)


class SummarySerializer(serializers.Serializer[Any]):
    timestamp = serializers.DateTimeField()
    mean = serializers.FloatField()
    std = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField()


class VerificationSerializer(serializers.Serializer[Any]):
    """`matches`: every bit is the same, of the bytes (`is_same_raw`) and of the numbers."""

    matches = serializers.BooleanField()
    is_same_raw = serializers.BooleanField()
    payload = serializers.IntegerField(source="payload.pk")
    sha256 = HexField(source="payload.sha256")
    stored = SummarySerializer()
    recomputed = SummarySerializer(allow_null=True)
    reasons = ReasonSerializer(many=True)
