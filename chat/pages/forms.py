"""Forms of the account pages. Fields are drawn by registration/_field.html."""

from typing import Any

from django import forms
from django.contrib.auth import forms as auth_forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chat.actions.accounts import username_of
from chat.models import User


class Drawn:
    """Gives the fields of a form the class that the style sheet knows."""

    fields: dict[str, forms.Field]

    def draw(self) -> None:
        for field in self.fields.values():
            is_check = isinstance(field.widget, forms.CheckboxInput)
            field.widget.attrs["class"] = "check" if is_check else "input"


class SignInForm(Drawn, auth_forms.AuthenticationForm):
    stay = forms.BooleanField(label=_("Stay signed in on this machine"), required=False, initial=True)

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        self.fields["username"].label = _("User name or email")
        refusal = _("That user name or email and password do not fit.")
        self.error_messages = {**self.error_messages, "invalid_login": refusal, "inactive": refusal}
        self.draw()

    def clean_username(self) -> str:
        """An e-mail address becomes the user name here, so that both count as one against guessing."""
        return username_of(self.cleaned_data["username"])


class PasswordChangeForm(Drawn, auth_forms.PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages = {
            **self.error_messages,
            "password_incorrect": _("That is not your current password."),
            "password_mismatch": _("The two new passwords are not the same."),
        }
        self.fields["old_password"].label = _("Current password")
        self.fields["new_password1"].label = _("New password")
        self.fields["new_password2"].label = _("New password again")
        self.fields["new_password2"].help_text = ""
        self.fields["new_password1"].help_text = _("At least 12 characters. Any characters.")
        self.draw()


class NewAccountForm(Drawn, forms.ModelForm):  # type: ignore[type-arg]
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        max_length=1000,
        help_text=_("At least 12 characters. Any characters."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = ("username",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self.fields["username"]
        name.label, name.help_text = _("User name"), ""
        name.widget.attrs |= {"autocomplete": "username", "autocapitalize": "none", "autofocus": True}
        self.draw()

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if "@" in username:
            # Nobody may take somebody's e-mail address for a name: people sign in with either.
            raise ValidationError(_("A user name may not contain @."))
        if User.objects.filter(username__iexact=username).exists():
            raise ValidationError(_("That user name is taken."))
        return username

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if password := data.get("password"):
            like = User(username=data.get("username", ""), email=data.get("email", ""))
            try:
                validate_password(password, like)
            except ValidationError as error:
                self.add_error("password", error)
        return data


class SignUpForm(NewAccountForm):
    email = forms.EmailField(
        label=_("Email"),
        required=False,
        help_text=_("Optional. You may sign in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    field_order = ("username", "email", "password")

    class Meta(NewAccountForm.Meta):
        fields = ("username", "email")

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email and User.objects.filter(email__iexact=email).exists():
            raise ValidationError(_("That email address cannot be used."))
        return email
