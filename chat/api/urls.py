from chat.api.root import api

urlpatterns = api.urls[0]
app_name = "api"
