#!/bin/sh
# Builds, tests and pushes one image, with its cache in a registry. Settings: see README.md.
set -eu
: "${IMAGE:?name the image to push}"
: "${CACHE:?name the repository of the cache}"
SLIPWAY=${SLIPWAY:-slipway}
CONTEXT=${CONTEXT:-.}

$SLIPWAY info
$SLIPWAY build \
  --push --tag "$IMAGE" \
  ${GATE:+--gate "$GATE"} \
  --cache-from "type=registry,ref=$CACHE" \
  --cache-to "type=registry,ref=$CACHE,mode=max,ignore-error=true" \
  --metadata-file metadata.json \
  --explain \
  "$CONTEXT"
