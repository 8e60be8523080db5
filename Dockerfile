FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/mm
COPY requirements-run.lock ./
RUN /opt/mm/bin/pip install --require-hashes --requirement requirements-run.lock
COPY pyproject.toml README.md LICENSE ./
COPY mm ./mm
RUN /opt/mm/bin/pip install --no-deps --no-build-isolation . \
    && /opt/mm/bin/pip uninstall --yes setuptools pip

FROM python:3.11-slim-bookworm
# The image's own labels, user and state; the program is read-only for that user.
LABEL org.opencontainers.image.title="mm" \
      org.opencontainers.image.description="A market-making daemon for perpetual futures" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --create-home --home-dir /var/lib/mm mm \
    && chmod 700 /var/lib/mm
COPY --from=build /opt/mm /opt/mm
COPY config /etc/mm
COPY docker-entrypoint /usr/local/bin/
# Inside a container loopback cannot be published: hence 0.0.0.0, which the daemon refuses without
# a web token. Publish the port on the host's loopback (docker-compose.yml does).
ENV PATH=/opt/mm/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MM_DAEMON__DATA_DIR=/var/lib/mm/data \
    MM_WEB__HOST=0.0.0.0
USER mm
WORKDIR /var/lib/mm
VOLUME /var/lib/mm
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["docker-entrypoint"]
CMD ["run", "--config", "/etc/mm/default.toml"]
