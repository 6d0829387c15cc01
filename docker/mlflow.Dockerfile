# The MLflow server: tracking, registry and the door to the artifacts in S3.
FROM python:3.11-slim-bookworm

COPY requirements.lock /tmp/requirements.lock
RUN pip install --no-cache-dir --constraint /tmp/requirements.lock mlflow boto3 psycopg2-binary \
    && useradd --create-home --uid 1000 mlflow
USER 1000
EXPOSE 5000
ENTRYPOINT ["mlflow", "server", "--host=0.0.0.0", "--port=5000", "--workers=1"]
