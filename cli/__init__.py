"""The command `hoso` for operators and newcomers: a gRPC client without access to databases."""
