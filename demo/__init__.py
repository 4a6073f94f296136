"""The demo: an invented school, its people, and a year in which they act on the services through
gRPC.
"""
