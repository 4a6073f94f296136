"""The command `hoso`: the operator's and the newcomer's hand. A gRPC client; it reaches into no database."""
