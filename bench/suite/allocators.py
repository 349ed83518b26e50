"""The allocators: where their files are, which version they are, and proof that a preload is really in use."""
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace

# name, file as the loader finds it, Debian's package
DEBIAN_PEERS = [
    ("jemalloc", "libjemalloc.so.2", "libjemalloc2"),
    ("tcmalloc", "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
    ("mimalloc", "libmimalloc.so.2", "libmimalloc2.0"),
    ("tbb", "libtbbmalloc_proxy.so.2", "libtbbmalloc2"),
]
ACRE, GLIBC, NULL_SUFFIX = "acre", "glibc", "-null"
# jemalloc gives memory back by a thread of its own if it is told to, and else only when the program calls it.
BACKGROUND_SUFFIX, BACKGROUND_OPTION = "-bg", "background_thread"


@dataclass
class Allocator:
    name: str
    library: str  # where malloc must come from
    preload: str  # what LD_PRELOAD says; empty for the C library
    version: str
    environment: dict = field(default_factory=dict)  # what it is told, beyond the preload

    @property
    def is_null(self):
        return self.name.endswith(NULL_SUFFIX)


class BrokenPreload(Exception):
    """The loader did not take malloc from the library that it was told to preload."""


def provider(load_program, preload=""):
    """Asks a child, started with the preload, which file each function of the malloc family comes from."""
    environment = {"PATH": "/usr/bin:/bin", **({"LD_PRELOAD": preload} if preload else {})}
    done = subprocess.run([load_program, "--provider"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BrokenPreload(f"{preload or 'no preload'}: a program with one malloc exits with {done.returncode}")
    found = dict(line.split("\t") for line in done.stdout.splitlines())
    files = {os.path.realpath(path) for path in found.values()}
    if len(files) != 1:
        raise BrokenPreload(f"{preload}: the malloc family comes from more than one file: {sorted(files)}")
    return files.pop()


def checked_provider(load_program, preload):
    """The file that serves malloc under this preload; raises if that is still the C library."""
    file = provider(load_program, preload)
    if file == provider(load_program):
        raise BrokenPreload(f"{preload}: does not load, or has no malloc")
    return file


def package_version(package):
    """Of a package that is installed for several architectures, which all have one version, one."""
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ", package], capture_output=True, text=True, check=False)
    return done.stdout.split()[0] if done.returncode == 0 and done.stdout.strip() else ""


def file_version(path):
    """For a file that no package owns, what identifies it is its content."""
    with open(path, "rb") as file:
        return "sha256:" + hashlib.sha256(file.read()).hexdigest()[:12]


def from_file(name, path, load_program):
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise BrokenPreload(f"{name}: no file {path}")
    return Allocator(name, checked_provider(load_program, path), path, file_version(path))


def glibc(load_program):
    return Allocator(GLIBC, provider(load_program), "", package_version("libc6"))


def debian_peers(load_program):
    """The installed peers, and (name, package) of the missing."""
    found, missing = [], []
    for name, soname, package in DEBIAN_PEERS:
        try:
            file = checked_provider(load_program, soname)
            found.append(Allocator(name, file, file, package_version(package) or file_version(file)))
        except BrokenPreload:
            missing.append((name, package))
    return found, missing


def null_of(allocator, folder, load_program):
    """The same allocator under another name. Any difference that it shows is the error of the measurement."""
    name = allocator.name + NULL_SUFFIX
    if not allocator.preload:
        return Allocator(name, allocator.library, "", allocator.version)
    copy = os.path.join(folder, f"lib{name}.so")
    shutil.copy(allocator.library, copy)
    return from_file(name, copy, load_program)


def with_background(allocator):
    """A column more for a library that knows the option, whoever's build of jemalloc it is."""
    with open(allocator.library, "rb") as file:
        if BACKGROUND_OPTION.encode() not in file.read():
            return [allocator]
    told = {"MALLOC_CONF": f"{BACKGROUND_OPTION}:true"}
    return [allocator, replace(allocator, name=allocator.name + BACKGROUND_SUFFIX, environment=told)]


def acre_file(build):
    path = os.path.join(build, "libacre.so.1")
    return path if os.path.exists(path) else ""


def gather(options, folder, load_program, background=False):
    """All that the options ask for, the C library first, then acre and its null, then the peers."""
    base = glibc(load_program)
    path = options.acre or acre_file(options.build)
    ours = [from_file(ACRE, path, load_program)] if path else []
    peers, missing = debian_peers(load_program)
    added = [from_file(name, file, load_program) for name, _, file in (text.partition("=") for text in options.peer)]
    peers += added
    if background:
        peers = [column for peer in peers for column in with_background(peer)]
    subject = (ours or [base])[0]
    null = null_of(subject, folder, load_program)
    everything = [base, *ours, *peers, null]
    if options.allocators:
        wanted = set(options.allocators.split(",")) | {GLIBC} | {a.name for a in added}
        unknown = wanted - {a.name for a in everything}
        if unknown:
            raise BrokenPreload(f"not here: {', '.join(sorted(unknown))}")
        everything = [a for a in everything if a.name in wanted or a in (subject, null)]
    return everything, missing
