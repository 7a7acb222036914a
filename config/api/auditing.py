"""The audit trail: who did what, when, and from which address.

auditlog keeps it, and notes changes of the models that are registered with it. What is done by a
statement is noted by whoever does it.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from auditlog import get_logentry_model
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from config.api.clients import find_address
from config.api.errors import show_text
from config.api.permissions import find_person

FAILED_SIGN_IN = "failed sign-in"
# As auditlog numbers them; its model cannot be imported before the apps are there.
ACTIONS = {
    "create": 0,
    "delete": 2,
    "forget": 2,
    **dict.fromkeys(("sign in", "sign out", FAILED_SIGN_IN), 3),
}
CHANGED = 1
SHOWN_CHARACTERS = 2_000

current: ContextVar[HttpRequest | None] = ContextVar("current", default=None)


class AuditMiddleware:
    """Lets the entries know by which request they come. auditlog's own asks who it is before a view
    has looked at a token, and believes any address that a client names."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = current.set(request)
        try:
            return self.get_response(request)
        finally:
            current.reset(token)


def note(verb: str, thing: Model, **details: Any) -> None:
    """Writes an entry: `verb` was done to a row. To be called within the transaction that does it.

    Texts among the details are cut; what they hold must be fit for JSON.
    """
    write_entry(verb, thing._meta.model, key=str(thing.pk), shown=str(thing), **details)


def note_many(verb: str, model: type[Model], shown: str, **details: Any) -> None:
    """The same for rows that nobody counts one by one; `shown` says which."""
    write_entry(verb, model, key="", shown=shown, **details)


def write_entry(verb: str, model: type[Model], *, key: str, shown: str, **details: Any) -> None:
    texts = {name: cut_text(value) for name, value in details.items()}
    get_logentry_model().objects.create(
        content_type=ContentType.objects.get_for_model(model),
        object_pk=key,
        object_id=int(key) if key.isdecimal() else None,
        object_repr=cut_text(shown),
        action=ACTIONS.get(verb, CHANGED),
        changes={},
        additional_data={"verb": verb, **texts},
    )


def cut_text(value: Any) -> Any:
    return show_text(value)[:SHOWN_CHARACTERS] if isinstance(value, str) else value


def complete_entry(sender: type[Model], instance: Any, **options: Any) -> None:
    """Adds to an entry that is about to be saved who it was, from where, and what auditlog did.

    The name is kept too: the account may be deleted.
    """
    details = {"verb": instance.get_action_display(), **(instance.additional_data or {})}
    instance.additional_data = details
    request = current.get()
    if request is None:
        return
    address = find_address(request.META)
    instance.remote_addr = None if address is None else str(address)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or details["verb"] == FAILED_SIGN_IN:
        return
    person = find_person(request)
    details["by"] = person.get_username()
    # A key is a row, a token is none. It may be called like anybody.
    if isinstance(key := getattr(request, "auth", None), Model):
        details["key"] = cut_text(str(key))
    if not is_end_of(person, instance):
        instance.actor = person


def is_end_of(user: Model, entry: Any) -> bool:
    """Whether it tells that this very account is gone: nothing can refer to it any more."""
    is_deletion = entry.action == ACTIONS["delete"] and str(entry.object_pk) == str(user.pk)
    return is_deletion and entry.content_type.model_class() is get_user_model()


def mask(value: str) -> str:
    """What stands for a secret, which is only told to have changed."""
    return "***"
