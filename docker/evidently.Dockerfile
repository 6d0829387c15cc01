# Evidently's pages over the workspace that drift monitoring writes.
FROM python:3.11-slim-bookworm

COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --constraint /tmp/requirements.lock evidently \
    && useradd --create-home --uid 1000 evidently \
    && install --directory --owner=evidently /var/lib/shopfusion
USER 1000
ENV DO_NOT_TRACK=true
EXPOSE 8000
ENTRYPOINT ["evidently", "ui", "--host=0.0.0.0", "--port=8000", "--workspace=/var/lib/shopfusion/evidently"]
