# Two images from one file:
#   runtime  both engines: any models folder, also two `.keras` files of your own (the default)
#   lean     no TensorFlow: bundles with a compiled graph, such as the shipped one
# The other stages are their parts: packages of each, the application, and what both are made on.

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
COPY docker/trim_packages.sh /tmp/
RUN /tmp/trim_packages.sh /opt/venv


FROM environment AS runtime-packages
COPY requirements-tensorflow.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip $INSTALL -r /tmp/requirements-tensorflow.lock
COPY docker/trim_packages.sh /tmp/
RUN /tmp/trim_packages.sh /opt/venv


FROM base AS application
WORKDIR /app
COPY service service
# The root file system is read-only when it runs, so the bytecode is made here.
RUN python -m compileall -q --invalidation-mode unchecked-hash service
COPY models models


FROM base AS served
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin xray
WORKDIR /app
ENV HOME=/tmp \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XRAY_HOST=0.0.0.0 \
    XRAY_PORT=8000 \
    XRAY_MODELS_DIR=/app/models
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Healthy means that it can answer /predict: /health/live would call a container healthy whose bundle
# failed its check. The start period covers loading and warming TensorFlow. http.client and not urllib,
# which would send the probe to a proxy that the environment names.
HEALTHCHECK --interval=5s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "service"]


FROM served AS lean
COPY --from=lean-packages /opt/venv /opt/venv
COPY --from=application /app /app


FROM served AS runtime
COPY --from=runtime-packages /opt/venv /opt/venv
COPY --from=application /app /app
