"""Signing in: attempts are counted before a password is looked at, on pages and over the API."""

from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import cache_control
from rest_framework.exceptions import APIException, Throttled
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from config.api.limits import LoginClosed, LoginThrottle, count_login, keep_standing
from config.api.pages import Page

FAULTS = {"503": LoginClosed.default_detail}


@method_decorator(cache_control(no_store=True), name="dispatch")
class LimitedTokenView(TokenObtainPairView):
    throttle_classes = (LoginThrottle,)
    faults = FAULTS


@method_decorator(cache_control(no_store=True), name="dispatch")
class LimitedRefreshView(TokenRefreshView):
    throttle_classes = (LoginThrottle,)
    faults = FAULTS


def limit_login(page: Page) -> Page:
    """The sign-in page `page`, which does not look at a password after too many attempts."""

    @wraps(page)
    def show(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return page(request, *args, **kwargs)
        try:
            standing = count_login(request, request.POST.get("username", ""))
        except LoginClosed as closed:
            return refuse_login(request, closed, closed.wait)
        keep_standing(request, standing)
        if standing.is_exceeded:
            error = Throttled(standing.wait, "Too many attempts.")
            return refuse_login(request, error, standing.wait)
        return page(request, *args, **kwargs)

    return show


def refuse_login(request: HttpRequest, error: APIException, wait: int) -> HttpResponseBase:
    """The page to sign in with the reason in its place, also for the admin's."""
    context = {"refusal": error.detail, "next": request.POST.get("next", "")}
    response = render(request, "sign_in.html", context, status=error.status_code)
    response.headers["Retry-After"] = str(wait)
    return response
