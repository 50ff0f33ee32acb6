from chat.api.root import api

urlpatterns = api.urls[0]
# What ninja looks its own addresses up by.
app_name = api.urls_namespace
