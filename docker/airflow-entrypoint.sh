#!/bin/sh
# Starts a process of Airflow. Its API server first learns the password of the user that tasks and
# people sign in as, from the environment: without a file Airflow makes one that nobody knows.
set -eu
if [ "${1:-}" = api-server ] && [ -n "${SHOPFUSION_AIRFLOW_PASSWORD:-}" ]; then
    umask 077
    python -c 'import json, os
user, password = (os.environ[f"SHOPFUSION_AIRFLOW_{name}"] for name in ("USER", "PASSWORD"))
print(json.dumps({user: password}))' > "$AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
fi
exec airflow "$@"
