"""The S3 store: SeaweedFS on this machine, or another one that the settings name."""

import os
from pathlib import Path

from services.credentials import Credentials
from services.settings import HOST, ServiceSettings


def addresses(settings: ServiceSettings, keys: Credentials) -> dict[str, str]:
    """Return where stages, server and DVC find the store, and its keys."""
    own = store_keys(settings, keys)
    ours = {
        "SHOPFUSION_S3_ACCESS_KEY": own.get("AWS_ACCESS_KEY_ID"),
        "SHOPFUSION_S3_SECRET_KEY": own.get("AWS_SECRET_ACCESS_KEY"),
    }
    return (
        own
        | {name: value for name, value in ours.items() if value}
        | {
            "SHOPFUSION_S3_ENDPOINT": settings.s3_url,
            "AWS_ENDPOINT_URL_S3": settings.s3_url,  # DVC's remote
            "SHOPFUSION_S3_BUCKET": settings.s3_bucket,
        }
    )


def store_keys(settings: ServiceSettings, keys: Credentials) -> dict[str, str]:
    """Return the keys under the names that SeaweedFS, boto3 and DVC read.

    Another store without keys in the settings is asked with what boto3 finds: a profile or a role.
    """
    region = {"AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1")}
    if settings.own_store:
        access, secret = keys.s3_access_key, keys.s3_secret_key
    elif settings.s3_access_key and settings.s3_secret_key:
        access, secret = settings.s3_access_key, settings.s3_secret_key
    else:
        return region
    return region | {"AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}


def weed(binaries: Path, settings: ServiceSettings) -> tuple[str, ...]:
    """Return the command of SeaweedFS: S3 on the first port, its own parts on the next four."""
    first = settings.s3_port
    return (
        str(binaries / "weed"),
        "mini",
        f"-dir={settings.home / 's3'}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        f"-s3.port={first}",
        f"-master.port={first + 1}",
        f"-volume.port={first + 2}",
        f"-filer.port={first + 3}",
        f"-admin.port={first + 4}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-webdav=false",
        "-admin.ui=false",
        "-master.telemetry=false",
    )
