# LandDB's processes (api, worker) for a server room; the database is a container of its own. See docker-compose.yml.
FROM debian:12-slim

WORKDIR /srv/landdb
COPY . .

# The address says that no embedded server is needed, so the set-up installs no PostgreSQL.
# The same script as ./run: one way to set up, tried by every test run.
RUN LANDDB_DATABASE_URL=postgresql://set-at-start/landdb sh ops/setup.sh \
    && rm -rf node_modules ~/.cache ~/.npm /var/lib/apt/lists/* \
    && useradd --system --uid 7461 --home-dir /var/lib/landdb --create-home landdb \
    && install -d -o landdb -g landdb /var/lib/landdb/files

USER landdb
ENV LANDDB_DATA=/var/lib/landdb LANDDB_FILES=/var/lib/landdb/files
EXPOSE 8000
ENTRYPOINT ["/srv/landdb/.venv/bin/landdb"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
