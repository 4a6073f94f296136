"""Class lists, movements and transfers of students, and what they carry along."""
