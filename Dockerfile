# The server in a container: no root, nothing written, no network needed, configured by MOCKMOOV_* alone.
# With MOCKMOOV_STORE=sqlite:/state/moov.db and a volume at /state, it keeps its state there.
#   docker run --rm --read-only --cap-drop ALL -p 127.0.0.1:8080:8080 mockmoov
# tests/e2e/test_dockerfile.py checks this file, and runs its steps without a container engine.

FROM python:3.13.14-slim-trixie AS build
WORKDIR /build
RUN python -m venv --without-pip /opt/mockmoov
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY mockmoov/ mockmoov/
# A start reads the bytecode and never looks whether it is stale: nothing in an image changes.
RUN PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
    python -m pip --python /opt/mockmoov/bin/python install --no-cache-dir --no-compile '.[tls,openapi,redis]' \
    && /opt/mockmoov/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/mockmoov/lib

FROM python:3.13.14-slim-trixie
LABEL org.opencontainers.image.title="mockmoov" \
      org.opencontainers.image.description="A test double of Moov's OAuth 2.0 endpoints" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/mockmoov /opt/mockmoov
ENV PATH=/opt/mockmoov/bin:$PATH
# The base image has no bytecode for the standard library: what a start imports gets it here.
RUN python -c "import mockmoov.cli.serve, mockmoov.cli.token, mockmoov.cli.healthcheck, mockmoov.web.app, mockmoov.web.listeners, mockmoov.web.uvicorn_server, mockmoov.server.factory, mockmoov.client, mockmoov.openapi.examples, mockmoov.storage.redis, mockmoov.storage.sqlite, trustme, uvloop, urllib.request"
# The one file that is written, and deleted at once, is the key of a certificate on its way into OpenSSL: in memory.
ENV PYTHONDONTWRITEBYTECODE=1 \
    TMPDIR=/dev/shm \
    MOCKMOOV_HOST=0.0.0.0 \
    MOCKMOOV_PORT=8080
# A new volume takes over the mode of this folder, so that any user may keep state there.
RUN mkdir -m 1777 /state
USER 65532:65532
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["mockmoov", "healthcheck"]
ENTRYPOINT ["mockmoov"]
CMD ["serve"]
