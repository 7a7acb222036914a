"""Dropzone: measurement files kept raw, with mean and standard deviation."""

from django.apps import AppConfig


class DropzoneConfig(AppConfig):
    name = "dropzone"
