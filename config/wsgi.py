"""The WSGI application that granian serves."""

import os

import django

from config.api.requests import Utf8Handler
from config.sharing import share_counts

share_counts()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

django.setup(set_prefix=False)
application = Utf8Handler()
