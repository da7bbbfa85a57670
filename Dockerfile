# Two images from one file:
#   runtime  both engines: any models folder, also two `.keras` files of your own (the default)
#   lean     no TensorFlow: bundles with a compiled graph, such as the shipped one
# The other stages are their parts: packages of each, the application, and what both are built on.

FROM python:3.13-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/opt/venv/bin:$PATH


# The environment has no pip of its own: the base image's installs into it and stays behind.
FROM base AS environment
RUN python -m venv --without-pip /opt/venv
ENV INSTALL="pip --python /opt/venv/bin/python install --disable-pip-version-check --require-hashes --no-deps"


FROM environment AS lean-packages
COPY requirements.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip $INSTALL -r /tmp/requirements.lock
COPY --chmod=755 docker/trim_packages.sh /tmp/
RUN /tmp/trim_packages.sh /opt/venv


FROM environment AS runtime-packages
COPY requirements-tensorflow.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip $INSTALL -r /tmp/requirements-tensorflow.lock
COPY --chmod=755 docker/trim_packages.sh /tmp/
RUN /tmp/trim_packages.sh /opt/venv


# --chmod: the process may run as any user (OpenShift assigns one), and a checkout made under umask 027
# is readable by its owner alone.
FROM base AS application
WORKDIR /app
COPY --chmod=755 service service
# The root file system is read-only at run time, so the bytecode is compiled here.
RUN python -m compileall -q --invalidation-mode unchecked-hash service
COPY --chmod=755 models models
COPY --chmod=755 docker/healthcheck.py ./


FROM base AS served
# --build-arg REVISION=$(git rev-parse HEAD): the commit that the image was made from.
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pneumonia-xray" \
      org.opencontainers.image.description="Reads chest X-rays of children and answers with a probability of pneumonia" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="pneumonia-xray" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="1.0.0"
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin xray
# The queue of the DICOM node; the service itself writes nothing.
RUN install --directory --owner=10001 --mode=1777 /var/lib/pneumonia-xray
WORKDIR /app
# glibc maps blocks of 4 MiB and more one by one, so that the memory of a large picture is returned
# to the system; left to itself it raises these limits to what was freed last. At 1 MiB an ordinary
# film's own buffers were mapped anew each time, which took a tenth of its verdict.
ENV HOME=/tmp \
    MALLOC_MMAP_THRESHOLD_=4194304 \
    MALLOC_TRIM_THRESHOLD_=4194304 \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XRAY_HOST=0.0.0.0 \
    XRAY_PORT=8000 \
    XRAY_MODELS_DIR=/app/models \
    XRAY_DICOM_DIR=/var/lib/pneumonia-xray/queue
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Healthy means that it can answer /predict: /health/live would call a container healthy whose bundle
# failed verification. The start period covers loading and warming TensorFlow.
HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "-S", "/app/healthcheck.py"]
CMD ["python", "-m", "service"]


FROM served AS lean
COPY --from=lean-packages /opt/venv /opt/venv
COPY --from=application /app /app


FROM served AS runtime
COPY --from=runtime-packages /opt/venv /opt/venv
COPY --from=application /app /app
