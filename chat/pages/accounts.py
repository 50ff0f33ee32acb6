"""Signing in and out, changing the password, signing up, and the page behind the set-up link."""

import os
from collections.abc import Mapping
from math import ceil
from typing import Any

from asgiref.sync import async_to_sync
from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth import views as auth_views
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from chat.actions import accounts
from chat.actions.provider_offers import ON_THIS_MACHINE, FoundProvider, Place, accept_offer, found_providers
from chat.actions.providers import DEMO
from chat.exceptions import ChatError, NotFound
from chat.models import Provider, User
from chat.pages.forms import NewAccountForm, PasswordChangeForm, SignInForm, SignUpForm

BACKEND = "django.contrib.auth.backends.ModelBackend"


class SignIn(auth_views.LoginView):
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        # 0 ends with the browser; None is the age in the settings.
        self.request.session.set_expiry(None if form.cleaned_data["stay"] else 0)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # Django's view calls the host the site's name.
        own = {
            "sign_up": settings.SIGN_UP,
            "nobody": not User.objects.exists(),
            "site_name": settings.SITE_NAME,
        }
        return super().get_context_data(**kwargs) | own


class ChangePassword(auth_views.PasswordChangeView):
    form_class = PasswordChangeForm


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class SignUp(FormView):  # type: ignore[type-arg]
    form_class = SignUpForm
    template_name = "registration/sign_up.html"
    success_url = reverse_lazy("login")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not settings.SIGN_UP:
            raise Http404
        if request.user.is_authenticated:
            return redirect(settings.LOGIN_REDIRECT_URL)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        try:
            user = accounts.sign_up(**form.cleaned_data)
        except IntegrityError:  # somebody was quicker by a moment
            form.add_error("username", _("That user name is taken."))
            return self.form_invalid(form)
        login(self.request, user, backend=BACKEND)
        return redirect(settings.LOGIN_REDIRECT_URL)


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class SetUp(FormView):  # type: ignore[type-arg]
    """Whoever holds the link makes the first administrator and chooses from the providers that were found."""

    form_class = NewAccountForm
    template_name = "registration/setup.html"
    environ: Mapping[str, str] = os.environ
    local_places: tuple[Place, ...] = ON_THIS_MACHINE

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not accounts.setup_link_works(kwargs["token"]):
            return render(request, "registration/setup_gone.html", status=404)
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        offers = self._offers()
        if self.request.method == "POST":
            chosen = set(self.request.POST.getlist("providers"))
        else:
            chosen = {offer.name for offer in offers if offer.works} or {DEMO}
        return super().get_context_data(offers=offers, chosen=chosen, **kwargs)

    def form_valid(self, form: NewAccountForm) -> HttpResponse:
        try:
            user = accounts.make_first_administrator(self.kwargs["token"], **form.cleaned_data)
        except NotFound:
            return render(self.request, "registration/setup_gone.html", status=404)
        login(self.request, user, backend=BACKEND)
        self._add_chosen(set(self.request.POST.getlist("providers")))
        return redirect(settings.LOGIN_REDIRECT_URL)

    def _offers(self) -> list[FoundProvider]:
        ports = (self.request.META.get("SERVER_PORT"), self.environ.get("PORT", "8000"))
        own_ports = {int(port) for port in ports if port and port.isdecimal()}
        return async_to_sync(found_providers)(self.environ, local=self.local_places, own_ports=own_ports)

    def _add_chosen(self, chosen: set[str]) -> None:
        added = False
        # Asked again, because what a form sends back is no address to send a key to.
        for offer in self._offers() if chosen - {DEMO} else []:
            if offer.name not in chosen:
                continue
            try:
                accept_offer(offer)
                added = True
            except ChatError as error:
                messages.warning(self.request, f"{offer.title}: {error}")
        if added and DEMO not in chosen:
            Provider.objects.filter(name=DEMO).update(enabled=False)


def locked(request: HttpRequest, _response: Any = None, _credentials: Any = None) -> HttpResponse:
    """What django-axes answers after too many wrong passwords. A try during the lock starts the wait anew."""
    wait = get_cool_off(request)
    context = {"until": timezone.now() + wait, "minutes": ceil(wait.total_seconds() / 60)} if wait else {}
    response = render(request, "registration/locked.html", context, status=429)
    if wait:
        response["Retry-After"] = str(int(wait.total_seconds()))
    return response
