# base: what every stage shares. build: makes the environment. service: what runs.

FROM python:3.13-slim AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/opt/venv/bin:$PATH


FROM base AS build
# The environment has no pip of its own: the base image's installs into it and stays behind.
RUN python -m venv --without-pip /opt/venv
COPY requirements.lock /tmp/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --disable-pip-version-check --require-hashes --no-deps \
      -r /tmp/requirements.lock \
 # Headers are for compiling against TensorFlow, libclang for its build tools: nothing serves with them.
 && rm -rf /opt/venv/lib/python3.*/site-packages/tensorflow/include \
           /opt/venv/lib/python3.*/site-packages/clang
WORKDIR /app
COPY service service
# The root file system is read-only when it runs, so the bytecode is made here.
RUN python -m compileall -q --invalidation-mode unchecked-hash service
COPY models models


FROM base AS service
RUN useradd --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin xray
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
ENV HOME=/tmp \
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
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health/ready'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "service"]
