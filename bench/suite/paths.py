"""Where the benchmark's built programs are."""
import os
import sys


def built(build, name):
    """Under bench/ in a build of the whole project, on top in a build of bench/ alone."""
    for folder in (os.path.join(build, "bench"), build):
        path = os.path.abspath(os.path.join(folder, name))
        if os.access(path, os.X_OK):
            return path
    sys.exit(f"bench: no {name} in {build}: build it first (cmake --build {build})")
