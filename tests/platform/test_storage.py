"""The one module that knows S3."""

from components.platform import storage
from components.platform.settings import settings


def test_an_empty_endpoint_in_the_environment_means_aws(monkeypatch):
    monkeypatch.setenv("SHOPFUSION_S3_ENDPOINT", "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    settings.cache_clear()
    try:
        assert storage.client().meta.endpoint_url.endswith("amazonaws.com")
    finally:
        settings.cache_clear()
