"""What `scripts/protos` generates from `dskity.proto`, package `dskity.v1`."""
