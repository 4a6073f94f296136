"""What two services already need: errors, gRPC server, events, jobs, database, audit.

No domain word stands here, but for what every service asks of gradebook: who serves which school
(`standing`), what a book is and whether its version has ended (`book_facts`, `voids`).
"""
