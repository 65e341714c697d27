"""/datasets/."""

from django.urls import path

from kinema.web.datasets.views import catalogue, clips, manifest, work

urlpatterns = [
    path("", catalogue.index, name="index"),
    path("upload/", catalogue.upload, name="upload"),
    path("upload/<slug:id>/", catalogue.upload_piece, name="upload-piece"),
    path("upload/<slug:id>/done/", catalogue.upload_done, name="upload-done"),
    path("folders/<path:keys>/", catalogue.folder, name="folder"),
    path("import/<path:keys>/", catalogue.import_page, name="import"),
    path("work/<int:pk>/", work.work, name="work"),
    path("outcome/<slug:token>/", work.outcome, name="outcome"),
    path("outcome/<slug:token>/alike.html", work.alike, name="alike"),
    path("outcome/<slug:token>/absent.csv", work.absent, name="absent"),
    path("outcome/<slug:token>/again/", manifest.split_again, name="split-again"),
    path("<slug:key>/", manifest.manifest, name="manifest"),
    path("<slug:key>/check/", manifest.check, name="check"),
    path("<slug:key>/check/clean/", manifest.clean, name="clean"),
    path("<slug:key>/split/", manifest.split, name="split"),
    path("<slug:key>/explore/", manifest.explore, name="explore"),
    path("<slug:key>/explore/page.html", manifest.explored, name="explored"),
    path("<slug:key>/download/", manifest.download, name="download"),
    path("<slug:key>/remove/", manifest.remove, name="remove"),
    path("<slug:key>/clips/", clips.clips, name="clips"),
    path("<slug:key>/sheet/", clips.sheet, name="sheet"),
    path("<slug:key>/pictures/", clips.pictures, name="pictures"),
    path("<slug:key>/clips/<int:row>/", clips.clip, name="clip"),
    path("<slug:key>/clips/<int:row>/video", clips.video, name="video"),
    path("<slug:key>/clips/<int:row>/copy.mp4", clips.copy, name="copy"),
    path("<slug:key>/clips/<int:row>/strip.jpg", clips.strip, name="strip"),
]
