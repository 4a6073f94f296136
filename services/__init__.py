"""The four services of Hồ Sơ and what they share.

Services never import each other; see docs/architecture.md.
"""
