"""The local stack: real PostgreSQL, RabbitMQ, an S3 store with object lock, SoftHSM and every
service process.

All state lives in one folder, ``.run/<stack>/``; every server listens on loopback, on the stack's
own ports. The machine's system services are never touched. Run it as ``python -m deploy.local``;
see deploy/README.md.
"""
