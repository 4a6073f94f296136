"""What two services already need and that has no domain word: errors, gRPC server, events, jobs,
database, audit.
"""
