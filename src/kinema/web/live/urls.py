"""/live/."""

from django.urls import path

from kinema.web.live import views

urlpatterns = [
    path("", views.index, name="index"),
    path("start", views.start, name="start"),
    path("sources/", views.sources_page, name="sources"),
    path("sources/<int:pk>/", views.change_source, name="source"),
    path("<str:session>/", views.show, name="show"),
    path("<str:session>/stream.mjpeg", views.stream, name="stream"),
]
