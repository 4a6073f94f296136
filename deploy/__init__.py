"""How Hồ Sơ is run: the local stack (`deploy.local`), and later images and manifests. Holds no
secret.
"""
