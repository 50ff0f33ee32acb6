from django.urls import path

from chat.pages import views

app_name = "chat"
urlpatterns = [
    path("", views.new_chat, name="new"),
    path("c/<uuid:key>/", views.conversation, name="conversation"),
]
