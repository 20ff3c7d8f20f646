#!/bin/bash
# One login for each service, with the password of its file; safe to repeat. PostgreSQL's image runs it when it makes the
# cluster, operations when a password has changed. What a login may do, `trailbook init --login ROLE=LOGIN` says.
set -euo pipefail

sql() {
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username postgres --dbname trailbook "$@"
}

for LOGIN in owner projectors calendar relay desk query; do
    export LOGIN
    sql <<'END'
\getenv login LOGIN
\set password `cat "/run/secrets/$LOGIN"`
-- the server's log is no place for it
SET log_statement = none;
SET log_min_error_statement = panic;
SELECT format('CREATE ROLE %I LOGIN', :'login')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'login') \gexec
ALTER ROLE :"login" PASSWORD :'password';
GRANT CONNECT ON DATABASE trailbook TO :"login";
END
done

# who owns the database makes the house in it, and with that owns its log; nobody else has anything there by himself
sql <<'END'
ALTER ROLE owner CREATEROLE;
ALTER DATABASE trailbook OWNER TO owner;
REVOKE ALL ON DATABASE trailbook FROM PUBLIC;
END
