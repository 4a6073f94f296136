"""What `hoso` needs to talk to the served gradebook of a test."""

from pathlib import Path

from cli.profile import Profile
from deploy.local.configs import dump
from tests.integration.gradebook.world import DEPARTMENT, VENDOR, World, tls


def write_profile(world: World, folder: Path) -> Path:
    """A profile of the Department's operator who also holds a vendor's certificate; only gradebook
    is there.
    """
    nowhere = "127.0.0.1:1"
    path = folder / "cli.toml"
    profile = Profile(world.address, nowhere, nowhere, nowhere, tls(world.pki, DEPARTMENT), tls(world.pki, VENDOR))
    path.write_text(dump(profile))
    return path
