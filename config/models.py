"""What there is to grant, and the keys of machines."""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from rest_framework_api_key.models import AbstractAPIKey, APIKeyManager

from config.api.permissions import ACCESSES

USE_NOTED_EVERY = timedelta(minutes=1)


class Access(models.Model):
    """No table: the permissions `config.read` and so on, which groups and users are given."""

    class Meta:
        managed = False
        default_permissions = ()
        permissions = tuple(ACCESSES.items())

    def __str__(self) -> str:
        return "access"


class Scope(models.TextChoices):
    """What a key may be made for."""

    READ = "read"
    INGEST = "ingest"
    IMPORT = "import"


class ApiKeyManager(APIKeyManager):
    def assign_key(self, obj: AbstractAPIKey) -> str:
        """The library would make the hash a part of the primary key, which stands in addresses."""
        key: str = super().assign_key(obj)
        obj.pk = None
        return key

    def note_use(self, key_id: int) -> None:
        """Once a minute, and never waiting for somebody who holds the row."""
        stale = Q(last_used_at=None) | Q(last_used_at__lt=Now() - USE_NOTED_EVERY)
        free = self.filter(stale, pk=key_id).select_for_update(skip_locked=True)
        self.filter(pk__in=free.values("pk")).update(last_used_at=Now())


class ApiKey(AbstractAPIKey):
    """What a machine signs in with. Only its hash is kept; the key itself is shown once."""

    id = models.BigAutoField(primary_key=True)  # type: ignore[assignment] # the library's is a text
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        help_text="answers for it: what this user may not do, it may not either",
    )
    last_used_at = models.DateTimeField(null=True, editable=False, help_text="to the minute")

    objects: ClassVar[ApiKeyManager] = ApiKeyManager()

    class Meta(AbstractAPIKey.Meta):
        default_permissions = ()  # `manage_keys` grants them all
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        constraints = (
            models.CheckConstraint(
                name="api_key_scopes_known",
                condition=Q(scopes__contained_by=Scope.values) & Q(scopes__len__gt=0),
            ),
        )

    def __str__(self) -> str:
        """Several may have the same name."""
        return f"{self.name} ({self.prefix})"

    @property
    def fault(self) -> str:
        """Why it opens nothing, though it be the right one; empty where it does."""
        if self.revoked:
            return "This key was revoked."
        if self.expiry_date is not None and self.has_expired:
            return f"This key expired at {self.expiry_date:%Y-%m-%dT%H:%M:%SZ}."
        if self.created_by is None or not self.created_by.is_active:
            return "Who made this key may not sign in any more."
        return ""

    def revoke(self) -> bool:
        """Tells whether it was not revoked before."""
        return ApiKey.objects.filter(pk=self.pk, revoked=False).update(revoked=True) == 1


def list_scopes(user: Any) -> list[str]:
    """Those that this user may give to a key: what it may do by itself."""
    return [scope for scope in Scope.values if user.has_perm(f"config.{scope}")]
