"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rivya-client")
except PackageNotFoundError:  # imported from a folder, not installed
    __version__ = "0"
