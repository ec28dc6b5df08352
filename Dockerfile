# The server in a container: nobody's user, nothing written but /data.
#   docker build -t callflows .
#   docker run --read-only -e CALLFLOWS_TOKEN=… -p 8000:8000 -v ./callflows:/flows:ro -v callflows-data:/data callflows

# The same image for ever is one that is named by its digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.12-slim@sha256:… -t callflows .
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS build

# What builds the project's wheel stays in /build; all that is installed is known by its hash.
RUN python -m venv /build && python -m venv --without-pip /venv \
 && printf '%s\n' \
      'hatchling==1.33.0 --hash=sha256:4c422bd4d554fcff5de5b73e9596f85e41e9f97f7e553d8f7595ecb31a627bef' \
      'packaging==26.3 --hash=sha256:94edc256424af38762eb31306eed28beb9f0efc50a8837492c9d6fd6004aed79' \
      'pathspec==1.1.1 --hash=sha256:a00ce642f577bf7f473932318056212bc4f8bfdf53128c78bbd5af0b9b20b189' \
      'pluggy==1.7.0 --hash=sha256:d1eaa46ebb595891b860ab086b4d09c8588af65ebd4361b8e8f4bb8920b90ba8' \
      'tomlkit==0.15.2 --hash=sha256:05562412163a3037b94497385fb7f9204c637bc605af7a48199e41cf2272f437' \
      'trove-classifiers==2026.9.21.13 --hash=sha256:0a9ebc8d4e2f3e8a22848c5258033035bec17a3012ac3fea16dbaa764489eb71' \
      > /build/requirements.lock \
 && /build/bin/pip install --no-cache-dir --require-hashes -r /build/requirements.lock

WORKDIR /source
# The lock has the extras oidc and otel, too: nothing can be installed into a running container, and a setting alone turns them on.
COPY requirements.lock ./
RUN /build/bin/pip --python /venv/bin/python install --no-cache-dir --no-compile --require-hashes -r requirements.lock

COPY LICENSE README.md pyproject.toml ./
COPY app app
COPY callflows /flows
# Bytecode is made here, once, and never compared with its source again: the server could not write it.
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
 && /build/bin/pip --python /venv/bin/python install --no-cache-dir --no-compile --no-deps --no-index /wheels/*.whl \
 && /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib \
 && chmod -R a+rX,go-w /flows && mkdir /data


FROM ${PYTHON_IMAGE}

# No label of the version: it stands in pyproject.toml, and `docker run callflows --version` prints it.
LABEL org.opencontainers.image.title="callflows" \
      org.opencontainers.image.description="Answer the phone numbers you run on Opentact: call flows as files, checked before they are live" \
      org.opencontainers.image.licenses="MIT"

ENV PATH="/venv/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CALLFLOWS_FLOWS=/flows \
    CALLFLOWS_DATA=/data \
    CALLFLOWS_HOST=0.0.0.0 \
    CALLFLOWS_PORT=8000

COPY --from=build /venv /venv
COPY --from=build /flows /flows
COPY --from=build --chown=10001:10001 /data /data

USER 10001:10001
WORKDIR /flows
VOLUME ["/data", "/flows"]
EXPOSE 8000
STOPSIGNAL SIGTERM

# Isolated (-I), so that no Python flow in the working folder is taken for a module, and without a proxy.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["python", "-I", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:' + os.environ['CALLFLOWS_PORT'] + '/healthz', timeout=3)"]

ENTRYPOINT ["callflows"]
CMD ["serve"]
