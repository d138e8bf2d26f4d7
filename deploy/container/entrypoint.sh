#!/bin/sh
# Runs `tvs` with the container's arguments. Before the first `serve` on an empty volume it makes the state directory, if
# the environment says for whom: INIT_NAME, the node's host name, and INIT_ADDRESS, the IP address that phones have for it.
# A database elsewhere (TVS_STORE) gets the cluster's tables then, too.
set -eu

if [ "${1:-}" = serve ] && [ ! -e "$TVS_STATE/tvs.db" ] && [ ! -e "$TVS_STATE/keys" ]; then
    if [ -n "${INIT_NAME:-}" ]; then
        tvs init --state "$TVS_STATE" --name "$INIT_NAME" ${INIT_ADDRESS:+--address "$INIT_ADDRESS"} >&2
    else
        echo "tvs: $TVS_STATE is empty: set INIT_NAME and INIT_ADDRESS to have keys and trust lists made, or mount a volume that has them" >&2
    fi
fi
exec tvs "$@"
