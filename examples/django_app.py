"""Django, in one file: the middleware in front, and Django's own ``RemoteUserMiddleware`` makes a Django user of whoever signed in.

Needs ``pip install django``. Users live in memory here; a real project has its own settings, and adds the two lines marked below.
"""

from __future__ import annotations

import os
import secrets

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.urls import path

from oidc_middleware.wsgi import OIDCMiddleware


def page(request: HttpRequest) -> HttpResponse:
    user = request.META["oidc_middleware.user"]
    return HttpResponse(f"Django user {request.user} is {user.display_name}", content_type="text/plain; charset=utf-8")


urlpatterns = [path("", page)]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY=secrets.token_urlsafe(32),
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.RemoteUserMiddleware",  # <- REMOTE_USER, set by oidc_middleware and by nobody else
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],  # <- makes the user at the first visit
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:examples?mode=memory&cache=shared"}},
)
django.setup()
call_command("migrate", verbosity=0)
get_user_model()

app = OIDCMiddleware(WSGIHandler())

if __name__ == "__main__":
    import waitress

    # One thread: the database lives in memory, and the first connection keeps it alive.
    waitress.serve(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")), threads=1)
