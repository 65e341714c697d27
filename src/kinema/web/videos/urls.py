"""/videos/."""

from django.urls import path

from kinema.web.videos import files, tus, views

urlpatterns = [
    path("", views.index, name="index"),
    path("cards/", views.cards, name="cards"),
    path("upload/", views.upload_form, name="upload-form"),
    path("uploads/", tus.collection, name="uploads"),
    path("uploads/<slug:token>/", tus.upload, name="upload"),
    path("<int:pk>/", views.show, name="show"),
    path("<int:pk>/delete/", views.delete, name="delete"),
    path("<int:pk>/predict/", views.predict, name="predict"),
    path("<int:pk>/original", files.original, name="original"),
    path("<int:pk>/thumbnail.jpg", files.thumbnail, name="thumbnail"),
    path("<int:pk>/stream.mjpeg", files.stream, name="stream"),
    path("predictions/<int:pk>/delete/", views.delete_prediction, name="delete-prediction"),
    path("predictions/<int:pk>/timeline/", views.timeline, name="timeline"),
    path("predictions/<int:pk>/<slug:stem>.<slug:suffix>", files.result, name="result"),
]
