"""A real S3 store alone, on free ports; it can be killed and started again with its data."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from services.credentials import Credentials
from services.programs import programs
from tests.running import make_platform
from tests.waiting import wait_until


@dataclass
class Store:
    """SeaweedFS as the platform starts it, and the variables with which it is reached."""

    home: Path
    keys: Credentials = field(default_factory=Credentials)
    process: subprocess.Popen | None = None

    def __post_init__(self) -> None:
        self.settings = make_platform(self.home).settings

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SHOPFUSION_S3_ENDPOINT": self.settings.s3_url,
            "SHOPFUSION_S3_BUCKET": "shopfusion",
            "SHOPFUSION_S3_ACCESS_KEY": self.keys.s3_access_key,
            "SHOPFUSION_S3_SECRET_KEY": self.keys.s3_secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def start(self) -> None:
        (weed,) = (
            program for program in programs(self.settings, self.keys) if program.name == "s3"
        )
        (self.home / "s3").mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            weed.command,
            env={**os.environ, **weed.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def client(self) -> Any:
        """Return a client with the keys of this store."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.settings.s3_url,
            region_name="us-east-1",
            aws_access_key_id=self.keys.s3_access_key,
            aws_secret_access_key=self.keys.s3_secret_key,
            config=Config(retries={"max_attempts": 1}, connect_timeout=1, read_timeout=5),
        )

    def _wait(self) -> None:
        client = self.client()

        def takes_objects() -> bool:
            if "probe" not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
                client.create_bucket(Bucket="probe")
            client.put_object(Bucket="probe", Key="up", Body=b"1")
            return True

        refused = (BotoCoreError, ClientError)
        wait_until(takes_objects, "the S3 store takes objects", passing=refused)
