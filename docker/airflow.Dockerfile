# Airflow's processes, the pipeline's stages and the server; the command says which process it is.
# Build from the repository root:
#   docker build -f docker/airflow.Dockerfile --build-arg REVISION=$(git rev-parse HEAD) .
# With --build-arg INSTALL=install-scale, Celery (and Spark, without its Java) are in it too.
FROM python:3.11-slim-bookworm

# libgomp1 is LightGBM's; git is not needed, the image holds the code.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1=12.* make=4.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 shopfusion \
    && install --directory --owner=shopfusion /opt/shopfusion /var/lib/shopfusion

WORKDIR /opt/shopfusion
USER 1000
# The environment first: code changes far more often.
COPY --chown=shopfusion Makefile pyproject.toml requirements.lock requirements-scale.lock ./
COPY --chown=shopfusion components/__init__.py components/
ARG INSTALL=install
RUN make $INSTALL
COPY --chown=shopfusion . .

ARG REVISION=none
ENV PATH=/opt/shopfusion/.venv/bin:$PATH \
    SHOPFUSION_GIT_REVISION=$REVISION \
    SHOPFUSION_HOME=/var/lib/shopfusion \
    NUMBA_CACHE_DIR=/var/lib/shopfusion/compiled \
    AIRFLOW_HOME=/var/lib/shopfusion/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/shopfusion/dags
ENTRYPOINT ["/opt/shopfusion/docker/airflow-entrypoint.sh"]
CMD ["version"]
