"""`/accounts/…`; the names are the ones Django's own pages use."""

from django.contrib.auth import views as auth_views
from django.urls import path

from chat.pages import accounts

urlpatterns = [
    path("login/", accounts.SignIn.as_view(), name="login"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("password/", accounts.ChangePassword.as_view(), name="password_change"),
    path("password/done/", auth_views.PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("sign-up/", accounts.SignUp.as_view(), name="sign_up"),
    path("setup/<str:token>/", accounts.SetUp.as_view(), name="setup"),
]
